import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Identity, Session, signedFetch } from '@syncline/client';
import { sealOf } from '@syncline/client/seal';
import { memoryStorage } from '@syncline/client/store';
import type { LeftOut } from '@syncline/client/store';
import { Server } from 'syncline-testing';

import { call } from '../call.js';
import { Device, when } from './devices.js';
import { Network } from './network.js';

test('with encryption neither storage nor server sees a value, and merges are those of values', async (t) => {
  const server = await Server.start();
  t.after(() => server.stop());
  const identity = Identity.create();
  const storage = memoryStorage();
  const [one, other] = [new Device(identity, server.url, storage), new Device(identity, server.url)];
  const left: LeftOut[] = [];
  const theirs = await one.tab<Record<string, number>>({ encryption: true });
  await theirs.batch((batch) => ['a', 'b'].forEach((id) => batch.put(id, { secret: 12345 }))).synced;
  const network = new Network();
  const mine = await other.tab<Record<string, number>>({ encryption: true, fetch: network.fetch, onConflict: (each) => left.push(each) });
  await when(mine, ({ connection }) => connection === 'live');
  network.down = true;
  for (const store of [theirs, mine]) {
    await store.put('b', { secret: 99999 }); // sealed twice, and equal
    await store.update('a', (value) => ({ ...value, [store === mine ? 'mine' : 'theirs']: 1 }));
  }
  await when(theirs, ({ uploaded }) => uploaded);
  network.down = false;
  mine.refresh();
  await when(mine, ({ uploaded }) => uploaded);
  assert.deepEqual((await mine.get('a'))?.value, { secret: 12345, mine: 1, theirs: 1 });
  assert.deepEqual([left, network.batches.at(-1)], [[], ['a']]);

  const { changes } = await call<{ changes: { records: { data: string }[] } }>(server.url, signedFetch(new Session({ url: server.url, identity })), '{ changes { records { data } } }');
  const rows = await storage.transact('read', (t) => t.list('records'));
  for (const data of [...changes.records.map((record) => record.data), ...rows.map((row) => (row as { server: { data: string } }).server.data)]) {
    assert.doesNotMatch(atob(data), /secret|12345/);
  }
  const stranger = await new Device(identity, server.url).tab({ seal: sealOf(Identity.create()) });
  await when(stranger, ({ complete }) => complete);
  assert.deepEqual((await stranger.list()).map(({ value, problem }) => [value, problem?.code]), [[undefined, 'WRONG_KEY'], [undefined, 'WRONG_KEY']]);
  stranger.close();
  for (const each of [one, other]) each.close();
});
