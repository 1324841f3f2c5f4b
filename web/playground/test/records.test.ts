import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { encodeText, Identity, newNonce, Session, signedFetch } from '@syncline/client';
import type { Browser } from 'playwright-core';
import { launchChromium, Server, until } from 'syncline-testing';

import { assertHas } from './has.js';
import { Visitor } from './visitor.js';

let server: Server;
let browser: Browser;
before(async () => {
  [server, browser] = await Promise.all([Server.start(), launchChromium()]);
});
after(() => Promise.all([browser.close(), server.stop()]));

test('a record is found, changed against its revision, and deleted', async () => {
  const visitor = await Visitor.open(browser, server.origin);
  await visitor.run('Create');
  const panel = await visitor.panel('Records');
  await panel.getByRole('searchbox', { name: 'Id contains' }).fill('nothing');
  await panel.getByText('No record has such an id').waitFor();
  await panel.getByRole('searchbox', { name: 'Id contains' }).fill('ote-');
  await panel.getByRole('button', { name: 'note-1' }).click();
  const data = panel.getByRole('textbox', { name: 'Data as text' });
  await until(async () => (await data.inputValue()) === '{"title":"Buy milk","done":false}');
  const exact = '{"n": 9007199254740993, "p": 1.10}';
  await data.fill(exact);
  await panel.getByRole('button', { name: 'Save' }).click();
  await panel.getByText('Saved.').waitFor();
  await panel.getByText('revision 2, by laptop').waitFor();

  assertHas((await visitor.run('Update')).data!['setRecord'], { status: 'SUCCESS', newRevision: 3 });
  await panel.getByText('revision 3 is there').waitFor();
  await data.fill('mine');
  await panel.getByRole('button', { name: 'Save' }).click();
  await panel.getByText('CONFLICT: another device').waitFor();
  assert.equal(await data.inputValue(), 'mine');
  await panel.getByRole('button', { name: 'Read again' }).click();
  await panel.getByText('with theirs below').waitFor();
  assert.equal(await data.inputValue(), 'mine');
  await panel.getByText('"done":true').first().waitFor();
  await panel.getByRole('button', { name: 'Discard my text' }).click();
  await until(async () => (await data.inputValue()).includes('"done":true'));
  await panel.getByRole('button', { name: 'Delete' }).click();
  await panel.getByText('Deleted: a tombstone').waitFor();
  await panel.getByRole('button', { name: 'All records' }).click();
  await panel.getByText('No record has such an id').waitFor();
  await visitor.leave();
});

test('a record that is open is gone with its user, whom another tab replaced', async () => {
  const visitor = await Visitor.open(browser, server.origin);
  await visitor.run('Create');
  const panel = await visitor.panel('Records');
  await panel.getByRole('button', { name: 'note-1' }).click();
  await panel.getByRole('textbox', { name: 'Data as text' }).waitFor();
  const tab = await visitor.openTab();
  const card = (await tab.panel('Identity')).getByRole('region', { name: 'First user' });
  await card.getByRole('button', { name: 'Make new' }).click();
  await card.getByRole('button', { name: 'Forget it' }).click();
  await panel.getByRole('searchbox', { name: 'Id contains' }).waitFor();
  assert.equal(await panel.getByRole('textbox', { name: 'Data as text' }).count(), 0);
  await visitor.leave();
});

test('a record whose line ends a text field would change is not edited as text', async () => {
  const visitor = await Visitor.open(browser, server.origin);
  await visitor.write('mutation { setRecord(input: { id: "crlf", data: "YQ0KYg==", mutationId: "crlf" }) { status } }');
  assertHas((await visitor.press()).data!['setRecord'], { status: 'SUCCESS' });
  const panel = await visitor.panel('Records');
  await panel.getByRole('button', { name: 'crlf' }).click();
  await panel.getByText('YQ0KYg==').waitFor();
  assert.equal(await panel.getByRole('textbox', { name: 'Data as text' }).count(), 0);
  await visitor.leave();
});

for (const [name, viewport] of Object.entries({ desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } })) {
  test(`${name}: 10,000 records are counted, searched, sorted and paged, and one of them is changed`, async () => {
    const identity = Identity.create();
    await writeMany(identity, 10_000);
    const visitor = await Visitor.open(browser, server.origin, { viewport });
    await visitor.importKey(identity.exportHex());
    const panel = await visitor.panel('Records');
    await panel.getByText('1 to 50 of 10000').waitFor();
    const ids = () => panel.locator('.record-id').allInnerTexts();
    await until(async () => (await ids()).length === 50 && (await ids())[0] === 'many-09999');
    await panel.getByRole('combobox', { name: 'Sorted by' }).selectOption('Id');
    await until(async () => (await ids())[0] === 'many-00000');
    await panel.getByRole('button', { name: 'Next' }).click();
    await until(async () => (await ids())[0] === 'many-00050');
    await panel.getByRole('searchbox').fill('-0777');
    await panel.getByText('10 of 10000').waitFor();
    await panel.getByRole('button', { name: 'many-07775' }).click();
    await until(async () => (await panel.getByRole('textbox', { name: 'Data as text' }).inputValue()) === 'record 7775');
    await panel.getByRole('textbox', { name: 'Data as text' }).fill('changed');
    await panel.getByRole('button', { name: 'Save' }).click();
    await panel.getByText('revision 10001, by laptop').waitFor();
    await visitor.fits('a record');
    await visitor.leave();
  });
}

/** Writes records of a user's, `many-00000` and on, from another device. */
async function writeMany(identity: Identity, count: number): Promise<void> {
  const send = signedFetch(new Session({ url: server.url, identity }));
  const query = 'mutation ($input: WriteRecordsInput!) { writeRecords(input: $input) { status } }';
  for (let first = 0; first < count; first += 100) {
    const writes = Array.from({ length: 100 }, (_, i) => ({
      set: { id: `many-${String(first + i).padStart(5, '0')}`, data: encodeText(`record ${first + i}`) },
    }));
    const body = JSON.stringify({ query, variables: { input: { writes, mutationId: newNonce() } } });
    const response = await send(server.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    assert.equal(await response.text(), '{"data":{"writeRecords":{"status":"SUCCESS"}}}');
  }
}
