import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';

import type { Browser } from 'playwright-core';
import { launchChromium, Server, until } from 'syncline-testing';

import { assertHas } from './has.js';
import { Visitor } from './visitor.js';
import type { Answer } from './visitor.js';

let server: Server;
let browser: Browser;
before(async () => {
  [server, browser] = await Promise.all([Server.start(), launchChromium()]);
});
after(() => Promise.all([browser.close(), server.stop()]));

test('a request is shown as it went out', async () => {
  const visitor = await Visitor.open(browser, server.origin);
  const sending = visitor.page.waitForRequest((request) => request.postData()?.includes('mutation Create') ?? false);
  await visitor.run('Create');
  const sent = await sending;
  const panel = await visitor.panel('Request');
  const shown = (name: string) => panel.getByRole('group', { name, exact: true }).innerText();

  await until(async () => (await shown('Body')) === sent.postData());
  const digest = `sha-256=:${createHash('sha256').update(sent.postData()!).digest('base64')}:`;
  assert.equal(await shown('Content-Digest'), digest);
  const headers = sent.headers();
  for (const name of ['content-digest', 'signature-input', 'signature']) assert.ok((await shown('Headers')).includes(`${name}: ${headers[name]}`));
  const authority = new URL(server.origin).host;
  assert.equal(
    await shown('Base text'),
    [
      '"@method": POST',
      `"@authority": ${authority}`,
      '"@path": /graphql',
      `"content-digest": ${digest}`,
      `"@signature-params": ${headers['signature-input']!.slice('sig='.length)}`,
    ].join('\n'),
  );

  const sockets = panel.getByRole('combobox', { name: 'Request of this device' });
  const option = await sockets.locator('option', { hasText: 'connection_init' }).first().getAttribute('value');
  await sockets.selectOption(option!);
  await until(async () => /^"@method": GET\n[^]*tag="syncline-ws"$/.test(await shown('Base text')));
  assert.match(await shown('Payload of connection_init'), /^signature-input: sig=[^\n]+\nsignature: sig=:[A-Za-z0-9+/]{87}=:$/);
  await visitor.leave();
});

test('an answer is kept as a file', async () => {
  const visitor = await Visitor.open(browser, server.origin);
  await visitor.run('Create');
  const downloading = visitor.page.waitForEvent('download');
  await visitor.page.getByRole('button', { name: 'Download' }).click();
  const file = await downloading;
  assert.equal(file.suggestedFilename(), 'Create.json');
  assert.equal(readFileSync(await file.path(), 'utf8'), await visitor.answer());
  await visitor.leave();
});

test('the curl command runs when it is pasted, once', async () => {
  const visitor = await Visitor.open(browser, server.origin);
  await visitor.example('Create');
  const command = await sign(visitor);
  const answer = JSON.parse(await run(command)) as Answer;
  assertHas(answer.data!['setRecord'], { status: 'SUCCESS', newRevision: 1 });
  assert.equal((JSON.parse(await run(command)) as Answer).errors![0]!.extensions['code'], 'NONCE_REUSED');

  await visitor.panel('Feed');
  await until(async () => (await visitor.events()).some((event) => event.includes('revision 1')));
  await visitor.leave();
});

test('the curl command of any text: quotes, line ends, other scripts', async () => {
  const visitor = await Visitor.open(browser, server.origin);
  await visitor.write(`query { viewer { id } # it's "$HOME" \`x\` \\ é 日本 !\n}`);
  const answer = JSON.parse(await run(await sign(visitor))) as Answer;
  assert.match(String(answer.data?.['viewer']?.['id']), /^0[23][0-9a-f]{64}$/);
  await visitor.leave();
});

test('numbers and names are sent, copied and shown as they were written', async () => {
  const visitor = await Visitor.open(browser, server.origin, { expected: /400/ });
  await visitor.write('mutation Exact($input: SetRecordInput!) { setRecord(input: $input) { status } }');
  const written = '{ "input": { "id": "a", "data": "", "revision": 9007199254740993, "schemaVersion": "1", "schemaVersion": "2" } }';
  await visitor.page.locator('.pane-variables .monaco-editor textarea').focus();
  await visitor.page.keyboard.insertText(written);
  await until(async () => (await visitor.model('variables')) === written);
  const sending = visitor.page.waitForRequest((request) => request.postData()?.includes('Exact') ?? false);
  const answer = await visitor.press();
  const exact = /"data": "", "revision": 9007199254740993, "schemaVersion": "1", "schemaVersion": "2" \}/;
  assert.match((await sending).postData()!, exact);
  assert.match(answer.errors![0]!.message, /duplicate name/);
  assert.match(await sign(visitor), exact);

  const panel = await visitor.panel('Data');
  const json = '{"n":9007199254740993,"p":1.10,"a":[],"a":{"b":"\\u00e9,:{"},"c":[1,-2e+3,true]}';
  await panel.getByRole('textbox', { name: 'Base64' }).fill(Buffer.from(json).toString('base64'));
  const shown = await panel.getByRole('group', { name: /^JSON/ }).innerText();
  assert.equal(shown.replaceAll(/\s/g, ''), json);
  assert.match(shown, /^\{\n {2}"n": 9007199254740993,\n {2}"p": 1.10,\n {2}"a": \[\],\n/);
  await visitor.leave();
});

test('the curl command of a subscription streams', async () => {
  const visitor = await Visitor.open(browser, server.origin);
  await visitor.run('Create');
  await visitor.example('Subscribe');
  const command = await sign(visitor);
  assert.match(command, /^curl -sSN /);
  assert.match(await runUntil(command, '"kind":"CAUGHT_UP"'), /"kind":"CHANGED"[^]*"kind":"CAUGHT_UP"/);
  await visitor.leave();
});

test('no curl command of variables that cannot be read', async () => {
  const visitor = await Visitor.open(browser, server.origin);
  await visitor.example('Create');
  await visitor.page.locator('.pane-variables .monaco-editor textarea').focus();
  await visitor.page.keyboard.insertText('{{');
  await until(async () => (await visitor.model('variables')).includes('{{'));
  const panel = await visitor.panel('Request');
  await panel.getByRole('button', { name: 'Sign' }).click();
  await panel.getByRole('alert').getByText('not valid JSON').waitFor();
  await visitor.leave();
});

test('the curl command is of what the editors show, also a moment after a change', async () => {
  const visitor = await Visitor.open(browser, server.origin);
  await visitor.example('Create');
  const panel = await visitor.panel('Request');
  await panel.getByRole('button', { name: 'Sign' }).evaluate((sign: HTMLElement) => {
    const { __MONACO: monaco } = globalThis as unknown as { __MONACO: MonacoModels };
    const variables = monaco.editor.getModels().find(({ uri }) => uri.path.includes('-variables.'))!;
    variables.setValue(variables.getValue().replace('note-1', 'just-now'));
    sign.click();
  });
  const command = panel.getByRole('group', { name: 'curl command', exact: true });
  assert.match(await command.innerText(), /just-now/);
  await until(() => visitor.page.evaluate(() => localStorage.getItem('graphiql:tabState')!.includes('just-now')));
  assert.ok(await command.isVisible(), 'it stands when the tab has learned of the change');
  await visitor.leave();
});

interface MonacoModels {
  editor: { getModels(): { uri: { path: string }; getValue(): string; setValue(text: string): void }[] };
}

async function sign(visitor: Visitor): Promise<string> {
  const panel = await visitor.panel('Request');
  await panel.getByRole('button', { name: 'Sign' }).click();
  return panel.getByRole('group', { name: 'curl command', exact: true }).innerText();
}

async function run(command: string): Promise<string> {
  const { stdout } = await promisify(execFile)('sh', ['-c', command]);
  return stdout;
}

/** Runs a command until it says something, then ends it. Answers all that it said. */
async function runUntil(command: string, wanted: string): Promise<string> {
  const running = spawn('sh', ['-c', `exec ${command}`], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  for await (const text of running.stdout.setEncoding('utf8')) {
    said += text;
    if (said.includes(wanted)) break;
  }
  running.kill();
  return said;
}
