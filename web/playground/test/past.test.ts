import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import type { Browser } from 'playwright-core';
import { launchChromium, Server, until } from 'syncline-testing';

import { assertHas } from './has.js';
import { Visitor } from './visitor.js';

const narrow = { width: 390, height: 844 };
const wide = { width: 1280, height: 800 };

let server: Server;
let browser: Browser;
before(async () => {
  [server, browser] = await Promise.all([Server.start(), launchChromium()]);
});
after(() => Promise.all([browser.close(), server.stop()]));

const WRITTEN = 'mutation Exact($input: SetRecordInput!) { setRecord(input: $input) { status } } # é 日本';
const VARIABLES = '{ "input": { "id": "a", "data": "", "revision": 0.0, "schemaVersion": "ü" } }';

async function writeExact(visitor: Visitor): Promise<void> {
  await visitor.write(WRITTEN);
  await visitor.page.locator('.pane-variables .monaco-editor textarea').focus();
  await visitor.page.keyboard.insertText(VARIABLES);
  await until(async () => (await visitor.model('variables')) === VARIABLES);
}

async function linkOf(visitor: Visitor): Promise<string> {
  const panel = await visitor.panel('Request');
  await panel.getByRole('button', { name: 'Make the link' }).click();
  return panel.getByRole('group', { name: 'Link', exact: true }).innerText();
}

for (const [name, viewport] of Object.entries({ desktop: wide, phone: narrow })) {
  test(`${name}: a link opens an operation for somebody else, as it was written, and sends nothing`, async () => {
    const author = await Visitor.open(browser, server.origin, { viewport });
    await writeExact(author);
    const link = (await linkOf(author)).replaceAll('\n', '');
    const identity = await author.panel('Identity');
    await identity.getByRole('button', { name: 'Export' }).first().click();
    const key = await identity.getByRole('group', { name: 'Private key' }).innerText();
    assert.match(key, /^[0-9a-f]{64}$/);
    const { operation } = Object.fromEntries(new URLSearchParams(new URL(link).hash.slice(1)));
    const carried = Buffer.from(operation!, 'base64url').toString();
    assert.deepEqual(JSON.parse(carried), { query: WRITTEN, variables: VARIABLES });
    assert.ok(!carried.includes(key) && new URL(link).search === '');
    await author.leave();

    const reader = await Visitor.open(browser, server.origin, { viewport });
    await reader.panel('Feed');
    const sent: string[] = [];
    reader.page.on('request', (request) => request.method() === 'POST' && sent.push(request.url()));
    await reader.page.goto(link); // in the page that is open
    await reader.page.getByText('This operation came by a link').waitFor();
    await until(async () => (await reader.model('operation')) === WRITTEN && (await reader.model('variables')) === VARIABLES);
    await until(() => new URL(reader.page.url()).hash === '');
    assert.deepEqual(sent, []);
    await reader.page.getByRole('tab', { name: 'Exact', selected: true }).waitFor();
    assert.match(JSON.stringify(await reader.press()), /SUCCESS|BAD_USER_INPUT/);

    const tab = await reader.page.context().newPage();
    await tab.goto(link); // in a page of its own
    await tab.getByText('This operation came by a link').waitFor();
    await tab.getByRole('tab', { name: 'Exact', selected: true }).waitFor();
    await reader.leave();
  });
}

test('no link carries a key, or more than addresses have room for, and a damaged one is told', async () => {
  const visitor = await Visitor.open(browser, server.origin);
  const identity = await visitor.panel('Identity');
  await identity.getByRole('button', { name: 'Export' }).first().click();
  const key = await identity.getByRole('group', { name: 'Private key' }).innerText();
  await visitor.write(`query Leak { viewer { id } } # ${key.toUpperCase()}`);
  const panel = await visitor.panel('Request');
  await panel.getByRole('button', { name: 'Make the link' }).click();
  await panel.getByRole('alert').getByText('A private key of yours').waitFor();
  await visitor.page.evaluate(() => {
    const { __MONACO: monaco } = globalThis as unknown as { __MONACO: MonacoModels };
    monaco.editor.getModels().find(({ uri }) => uri.path.includes('-operation.'))!.setValue('# a long one\n'.repeat(2500));
  });
  await panel.getByRole('button', { name: 'Make the link' }).click();
  await panel.getByRole('alert').getByText('too long for a link').waitFor();

  for (const damaged of ['bm9uc2Vuc2U', '%%%', 'eyJxdWVyeSI6MX0']) {
    await visitor.page.goto(`${server.origin}/#operation=${damaged}`);
    await visitor.page.getByText('The link cannot be read').waitFor();
    await visitor.page.getByRole('button', { name: 'Dismiss' }).click();
  }
  await visitor.leave();
});

for (const [name, viewport] of Object.entries({ desktop: wide, phone: narrow })) {
  test(`${name}: what was run is found again, after a reload and in another tab, and opens without being run`, async () => {
    const visitor = await Visitor.open(browser, server.origin, { viewport });
    await visitor.run('Create');
    if (name === 'phone') await visitor.panel('Operation');
    await writeExact(visitor);
    assertHas((await visitor.press()).errors![0]!, { extensions: {} });
    const tab = await visitor.openTab();
    const other = await tab.panel('History');
    await until(async () => (await other.getByRole('listitem').count()) === 2);

    await visitor.reload();
    const panel = await visitor.panel('History');
    const entries = panel.getByRole('listitem');
    await until(async () => (await entries.allInnerTexts()).map((text) => text.split('\n')[0]).join() === 'Exact,Create');
    await panel.getByRole('searchbox').fill('note-1');
    await until(async () => (await entries.count()) === 1);
    await panel.getByRole('searchbox').fill('schemaVersion": "ü');
    await until(async () => (await entries.allInnerTexts())[0]?.startsWith('Exact') === true);
    const sent: string[] = [];
    visitor.page.on('request', (request) => request.method() === 'POST' && sent.push(request.url()));
    await entries.first().getByRole('button').click();
    await until(async () => (await visitor.model('operation')) === WRITTEN && (await visitor.model('variables')) === VARIABLES);
    await visitor.page.getByRole('tablist', { name: 'Operations' }).getByRole('tab', { name: 'Exact', selected: true }).waitFor();
    assert.deepEqual(sent, []);

    await visitor.panel('History');
    await panel.getByRole('searchbox').fill('');
    await panel.getByRole('button', { name: 'Clear' }).click();
    await panel.getByText('Nothing was run yet').waitFor();
    await until(async () => (await other.getByRole('listitem').count()) === 0);
    await visitor.leave();
  });
}

test('the history keeps what fits into the browser, newest first, each operation once', async () => {
  const visitor = await Visitor.open(browser, server.origin, { before: fillHistory });
  const panel = await visitor.panel('History');
  await until(async () => (await panel.getByRole('listitem').count()) === 50);
  await panel.getByRole('button', { name: 'Show older: 150 more' }).click();
  await until(async () => (await panel.getByRole('listitem').count()) === 100);
  await visitor.run('Create');
  await visitor.run('Create');
  await visitor.panel('History');
  const kept = await visitor.page.evaluate(() => JSON.parse(localStorage.getItem('syncline:history')!) as { query: string }[]);
  assert.equal(kept.length, 200);
  assert.match(kept[0]!.query, /mutation Create/);
  assert.equal(kept.filter(({ query }) => query.includes('mutation Create')).length, 1, 'run twice');
  assert.ok(kept.every(({ query }) => !query.includes('Past199')), 'the oldest has gone');
  await visitor.leave();
});

interface MonacoModels {
  editor: { getModels(): { uri: { path: string }; setValue(text: string): void }[] };
}

/** As many operations as are kept. */
function fillHistory(): void {
  const operations = Array.from({ length: 200 }, (_, i) => ({ query: `query Past${i} { viewer { id } }`, variables: '', at: 1_700_000_000_000 - i }));
  localStorage.setItem('syncline:history', JSON.stringify(operations));
}
