import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Identity, newNonce, Session, signedFetch } from '@syncline/client';
import type { Browser } from 'playwright-core';
import { launchChromium, Server, until } from 'syncline-testing';

import { Visitor } from './visitor.js';

let server: Server;
let browser: Browser;
before(async () => {
  [server, browser] = await Promise.all([Server.start(), launchChromium()]);
});
after(() => Promise.all([browser.close(), server.stop()]));

/** Writes records of a size for an identity, ten at a time. */
async function fill(identity: Identity, many: number, bytes: number): Promise<void> {
  const session = new Session({ url: server.url, identity });
  const send = signedFetch(session);
  const perRequest = bytes > 10_000 ? 10 : 100;
  const data = Buffer.alloc(bytes, 'x').toString('base64');
  for (let from = 0; from < many; from += perRequest) {
    const writes = Array.from({ length: Math.min(perRequest, many - from) }, (_, i) => ({ set: { id: `record-${String(from + i).padStart(5, '0')}`, data } }));
    const response = await send(session.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        query: 'mutation ($input: WriteRecordsInput!) { writeRecords(input: $input) { status } }',
        variables: { input: { writes, mutationId: newNonce() } },
      }),
    });
    assert.match(await response.text(), /SUCCESS/);
  }
}

/** The page as the user of an identity. */
async function visit(identity: Identity): Promise<Visitor> {
  const visitor = await Visitor.open(browser, server.origin);
  const card = (await visitor.panel('Identity')).getByRole('region', { name: 'First user' });
  await card.getByRole('button', { name: 'Import' }).click();
  await card.getByRole('textbox', { name: 'Private key' }).fill(identity.exportHex());
  await card.getByRole('button', { name: 'become this user' }).click();
  await visitor.panel('Feed');
  return visitor;
}

test('large records are shown by their beginning, and whole when asked for', async () => {
  const identity = Identity.create();
  await fill(identity, 60, 60_000);
  const visitor = await visit(identity);
  const older = visitor.page.getByRole('button', { name: 'Show older: 11 more' });
  await older.waitFor(); // all have come: what is newest stays so
  assert.equal((await visitor.events()).length, 50);
  const shown = await visitor.page.locator('.feed').innerText();
  assert.ok(shown.length < 50 * 4000, `${shown.length} characters are on the page`);
  const first = visitor.page.locator('.feed-entry').first();
  await first.getByRole('button', { name: 'Show all 60000 bytes' }).click();
  await until(async () => (await first.innerText()).includes('x'.repeat(60_000)));
  await first.getByRole('button', { name: 'Show less' }).click();
  await until(async () => !(await first.innerText()).includes('x'.repeat(60_000)));
  await older.click();
  await until(async () => (await visitor.events()).length === 61);
  await visitor.leave();
});

test('thousands of events are counted, filtered and held', async () => {
  const identity = Identity.create();
  await fill(identity, 3000, 10);
  const visitor = await visit(identity);
  const count = visitor.page.locator('.device .count').first();
  await until(async () => (await count.innerText()) === '3000');
  const search = visitor.page.getByRole('searchbox', { name: 'Only records whose id contains' });
  await search.fill('record-0299');
  await until(async () => (await visitor.events()).length === 10);
  await visitor.page.getByText('2001 older ones are not kept here').waitFor();
  await search.fill('');
  await until(async () => (await visitor.events()).length === 50);
  await visitor.page.getByRole('button', { name: 'Pause' }).click();
  const before = await visitor.events();
  await visitor.run('Create');
  await visitor.page.getByText('Paused, 1 came since').waitFor();
  assert.deepEqual(await visitor.events(), before);
  await visitor.page.getByRole('button', { name: 'Go on' }).click();
  await until(async () => (await visitor.events())[0]!.includes('note-1'));
  await visitor.page.getByRole('button', { name: 'Clear' }).click();
  await until(async () => (await count.innerText()) === '0');
  await visitor.leave();
});
