import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

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
  await until(async () => (await data.inputValue()).includes('"done":true'));
  await panel.getByRole('button', { name: 'Delete' }).click();
  await panel.getByText('Deleted: a tombstone').waitFor();
  await panel.getByRole('button', { name: 'All records' }).click();
  await panel.getByText('No record has such an id').waitFor();
  await visitor.leave();
});
