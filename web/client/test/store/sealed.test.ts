import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Identity, Session, signedFetch } from '@syncline/client';
import { sealOf } from '@syncline/client/seal';
import { indexedDBStorage, memoryStorage } from '@syncline/client/store';
import type { LeftOut } from '@syncline/client/store';
import 'fake-indexeddb/auto'; // for IDBKeyRange
import { IDBFactory } from 'fake-indexeddb';
import { Server } from 'syncline-testing';

import { call } from '../call.js';
import { Device, when } from './devices.js';
import { Network } from './network.js';

/** Everything that a network sent, as text. */
const textOf = ({ writes }: Network) => writes.flatMap((input) => input.writes).map((write) => atob((write as { set?: { data: string } }).set?.data ?? '')).join();

test('what waits in a store without encryption is sealed before it is sent, once the app has it', async (t) => {
  const server = await Server.start();
  t.after(() => server.stop());
  const device = new Device(Identity.create(), server.url);
  const network = new Network();
  const plain = await device.tab<Record<string, string>>({ fetch: network.fetch });
  await when(plain, ({ connection }) => connection === 'live');
  network.down = true;
  plain.refresh();
  await when(plain, ({ connection }) => connection === 'offline');
  await plain.put('a', { text: 'a secret' });
  await plain.batch((batch) => ['b', 'c'].forEach((id) => batch.put(id, { text: 'a secret' })));
  await plain.delete('c');

  const sealed = await device.tab<Record<string, string>>({ encryption: true, fetch: network.fetch });
  assert.deepEqual((await sealed.list()).map(({ id, value }) => [id, value]), [['a', { text: 'a secret' }], ['b', { text: 'a secret' }]]);
  await assert.rejects(plain.put('d', { text: 'a secret' }), { code: 'OTHER_ENCRYPTION' }); // nor does an older tab bring it in later
  plain.close();
  network.down = false;
  sealed.refresh();
  await when(sealed, ({ uploaded, connection }) => uploaded && connection === 'live');
  assert.deepEqual(network.batches.flat(), ['a', 'b']);
  assert.doesNotMatch(textOf(network), /secret/);
  assert.deepEqual(sealed.status.pending, { count: 0, bytes: 0 });

  network.down = true;
  sealed.refresh();
  await when(sealed, ({ connection }) => connection === 'offline');
  await sealed.put('e', { text: 'no secret' });
  sealed.close();
  const again = await device.tab<Record<string, string>>({ fetch: network.fetch });
  network.down = false;
  again.refresh();
  await when(again, ({ uploaded }) => uploaded);
  assert.deepEqual((await again.get('e'))?.value, { text: 'no secret' });
  assert.match(textOf(network), /no secret/);
  device.close();
});

test('what may have been sent without encryption is finished so, before the store is one with it', async (t) => {
  const server = await Server.start();
  t.after(() => server.stop());
  const device = new Device(Identity.create(), server.url);
  const network = new Network();
  const plain = await device.tab<number>({ fetch: network.fetch });
  await when(plain, ({ connection }) => connection === 'live');
  network.lost = 1;
  await plain.put('a', 1);
  await when(plain, ({ connection }) => connection === 'offline');
  plain.close();
  await assert.rejects(device.tab({ encryption: true }), { name: 'SynclineError', code: 'OTHER_ENCRYPTION' });
  network.down = false;
  const again = await device.tab<number>({ fetch: network.fetch });
  await when(again, ({ uploaded }) => uploaded);
  again.close();
  const sealed = await device.tab<number>({ encryption: true });
  await sealed.put('b', 2).synced;
  assert.deepEqual((await sealed.list()).map(({ id, value, problem }) => [id, value, problem?.code]), [['a', undefined, 'NOT_ENCRYPTED'], ['b', 2, undefined]]);
  device.close();
});

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

test('a tab that lacks the encryption of the others lets them sync, and goes on saying what is wrong', async (t) => {
  const server = await Server.start();
  t.after(() => server.stop());
  const device = new Device(Identity.create(), server.url);
  const plain = await device.tab<number>();
  await when(plain, ({ connection }) => connection === 'live');
  const sealed = await device.tab<number>({ encryption: true });
  await sealed.put('a', 1).synced;
  const { error } = await when(sealed, ({ connection, uploaded }) => connection === 'live' && uploaded);
  assert.equal(error, undefined);
  await when(plain, ({ connection }) => connection === 'live');
  assert.equal(plain.status.error?.code, 'OTHER_ENCRYPTION');
  await sealed.put('b', 2).synced;
  assert.equal(plain.status.error?.code, 'OTHER_ENCRYPTION');
  sealed.close();
  const again = await device.tab<number>({ encryption: true });
  await again.put('c', 3).synced;
  device.close();
});

test('a tab of an older release lets those of a newer one sync', async (t) => {
  const server = await Server.start();
  t.after(() => server.stop());
  const device = new Device(Identity.create(), server.url);
  const indexedDB = new IDBFactory();
  const older = await device.tab<number>({ storage: indexedDBStorage('one', { indexedDB }) });
  await when(older, ({ connection }) => connection === 'live');
  const newer = await device.tab<number>({ storage: indexedDBStorage('one', { indexedDB, version: 1000 }) });
  await newer.put('a', 1).synced;
  await when(older, ({ connection, error }) => connection === 'live' && error?.code === 'STORAGE_OUTDATED');
  device.close();
});

/** Has a device's database be as an older release, or a restored server, leaves it. */
async function note(device: Device, sealed: boolean | undefined) {
  await device.storage.transact('durable', async (t) => {
    const { sealed: _, ...meta } = (await t.get('meta', 'meta')) as Record<string, unknown>;
    t.put('meta', 'meta', sealed === undefined ? meta : { ...meta, sealed });
  });
}

for (const [name, sealed] of [['a release that did not note whether it was encrypted', undefined], ['another form than the rest', true]] as const) {
  test(`what waits of ${name} is sent as the app has it`, async (t) => {
    const server = await Server.start();
    t.after(() => server.stop());
    const device = new Device(Identity.create(), server.url);
    const network = new Network();
    network.down = true;
    const first = await device.tab<string>({ fetch: network.fetch });
    await first.put('a', 'a secret');
    first.close();
    await note(device, sealed);
    const plain = await device.tab<string>({ fetch: network.fetch });
    assert.equal((await plain.get('a'))?.value, 'a secret');
    plain.close();
    await note(device, sealed === undefined ? undefined : false);
    const encrypted = await device.tab<string>({ fetch: network.fetch, encryption: true });
    await encrypted.put('b', 'a secret');
    encrypted.close();
    await note(device, sealed === undefined ? undefined : false);
    const again = await device.tab<string>({ fetch: network.fetch, encryption: true });
    assert.deepEqual((await again.list()).map(({ value }) => value), ['a secret', 'a secret']);
    network.down = false;
    again.refresh();
    await when(again, ({ uploaded, connection }) => uploaded && connection === 'live');
    assert.deepEqual(network.batches.flat().sort(), ['a', 'b']);
    assert.doesNotMatch(textOf(network), /secret/);
    device.close();
  });
}
