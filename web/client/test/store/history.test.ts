import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Session, signedFetch } from '@syncline/client';
import { Server, until } from 'syncline-testing';

import { call } from '../call.js';
import { Device, devices, when } from './devices.js';
import { Network } from './network.js';

let server: Server;
before(async () => (server = await Server.start()));
after(() => server.stop());

interface Note {
  n: number;
  more?: number;
}

/** A device that has been online and is not now. */
async function away(device: Device) {
  const network = new Network();
  const store = await device.tab<Note>({ fetch: network.fetch });
  await when(store, ({ connection }) => connection === 'live');
  const leave = async () => {
    network.down = true;
    store.refresh();
    await when(store, ({ connection }) => connection === 'offline');
  };
  await leave();
  const back = async () => {
    network.down = false;
    store.refresh();
    await when(store, ({ connection, pending, error }) => connection === 'live' && pending.count === 0 && !error);
  };
  return { store, network, leave, back };
}

/** What a device sees, and what is pending of it. */
const seen = async ({ store }: Awaited<ReturnType<typeof away>>) => Object.fromEntries((await store.list()).map(({ id, value }) => [id, value!.n]));

test('when the cursor is too old, what is gone is dropped, without an empty screen in between', async () => {
  const [one, other] = devices(server, 2);
  const writer = await one!.tab<Note>();
  for (let n = 0; n < 5; n++) await writer.put(`r${n}`, { n });
  await when(writer, ({ uploaded }) => uploaded);
  const mirror = await away(other!);
  await mirror.store.put('r2', { n: 22 });
  await mirror.store.put('mine', { n: 7 });
  await writer.delete('r0');
  await writer.delete('r2');
  await writer.put('r5', { n: 5 }).synced;

  mirror.network.refusal = { code: 'CURSOR_TOO_OLD', floor: 7, erased: false }; // as after 90 days, which the server keeps deletions for
  const sizes: number[] = [];
  mirror.store.watch({}, (records) => sizes.push(records.length));
  await mirror.back();
  assert.equal(mirror.network.refusal, undefined);
  assert.deepEqual(await seen(mirror), { mine: 7, r1: 1, r2: 22, r3: 3, r4: 4, r5: 5 });
  assert.ok(Math.min(...sizes) >= 6, sizes.join());
  assert.equal(mirror.store.status.refused, 0);
  for (const each of [one, other]) each!.close();
});

test('an account that was erased elsewhere is empty here, and what waits does not bring it back', async () => {
  const [one, other] = devices(server, 2);
  const writer = await one!.tab<Note>();
  await writer.batch((batch) => ['a', 'b'].forEach((id, n) => batch.put(id, { n }))).synced;
  const mirror = await away(other!);
  const edited = mirror.store.put('a', { n: 9 });
  await edited;
  await mirror.store.put('new', { n: 1 });
  await mirror.store.put('b', { n: 1 }); // as it is
  await erase(one!);
  const rejected = assert.rejects(edited.synced, { code: 'ERASED' });
  await mirror.back();
  await rejected;
  assert.deepEqual(await seen(mirror), {});
  const aside = await mirror.store.refused();
  assert.deepEqual(aside.map(({ code, writes }) => [code, writes[0]!.id]), [['ERASED', 'a'], ['ERASED', 'new'], ['ERASED', 'b']]);
  writer.refresh();
  await until(async () => (await writer.list()).length === 0);

  for (const { seq } of aside.slice(1)) await mirror.store.retry(seq); // wanted all the same
  await mirror.store.drop(aside[0]!.seq);
  await when(mirror.store, ({ uploaded }) => uploaded);
  assert.deepEqual(await seen(mirror), { b: 1, new: 1 });
  for (const each of [one, other]) each!.close();
});

const ERASE = 'mutation ($input: EraseAccountInput!) { eraseAccount(input: $input) { erasedRecords } }';

/** Erases a user's account, as another device does. */
const erase = ({ identity }: Device) => call(server.url, signedFetch(new Session({ url: server.url, identity })), ERASE, { input: { owner: identity.publicKey } });

test('an erasure is told from a history that was trimmed by what the server says, whatever is left of either', async () => {
  const [one, other] = devices(server, 2);
  const writer = await one!.tab<Note>();
  await writer.batch((batch) => ['a', 'b'].forEach((id) => batch.put(id, { n: 1 }))).synced;
  const trimmed = await away(other!);
  await trimmed.store.put('mine', { n: 7 });
  await writer.put('a', { n: 2 });
  await writer.delete('b').synced;
  trimmed.network.refusal = { code: 'CURSOR_TOO_OLD', floor: 2, erased: false }; // nothing of what it knew is there as it was
  await trimmed.back();
  assert.deepEqual(await seen(trimmed), { a: 2, mine: 7 });
  assert.equal(trimmed.store.status.refused, 0);

  await trimmed.store.batch((batch) => ['a', 'mine'].forEach((id) => batch.delete(id))).synced;
  await trimmed.leave(); // knows of no record at all
  await trimmed.store.put('mine', { n: 8 });
  await erase(one!);
  await trimmed.back();
  assert.deepEqual(await seen(trimmed), {});
  assert.deepEqual((await trimmed.store.refused()).map(({ code, writes }) => [code, writes]), [['ERASED', [{ id: 'mine', value: { n: 8 } }]]]);
  for (const each of [one, other]) each!.close();
});

test('an erasure from before a restore is told, too', async () => {
  const [one, other] = devices(server, 2);
  const writer = await one!.tab<Note>();
  await writer.put('a', { n: 1 }).synced;
  const mirror = await away(other!);
  await mirror.store.put('a', { n: 2 });
  await erase(one!);
  await writer.put('since', { n: 3 }).synced;
  const backup = server.backup();
  await server.kill();
  server.restore(backup);
  await server.start();
  await mirror.back();
  assert.deepEqual(await seen(mirror), { since: 3 });
  assert.deepEqual((await mirror.store.refused()).map(({ code, writes }) => [code, writes[0]!.value]), [['ERASED', { n: 2 }]]);
  for (const each of [one, other]) each!.close();
});

test('after a restore from a backup, what the server lost is written again, and what it deleted is dropped', async () => {
  const [one, two, three] = devices(server, 3);
  const writer = await away(one!);
  await writer.back();
  await writer.store.batch((batch) => ['kept', 'edited', 'gone', 'waits'].forEach((id, n) => batch.put(id, { n }))).synced;
  const stale = await away(three!); // up to date at the backup, and no further
  await writer.store.delete('gone').synced;
  const backup = server.backup();
  await writer.store.put('edited', { n: 10 }).synced;
  await writer.store.put('lost', { n: 11 }).synced;
  await writer.store.put('waits', { n: 12 }).synced;
  const other = await away(two!); // has all that is about to be lost
  await other.store.put('waits', { n: 12, more: 1 }); // upon a state that will be lost
  await writer.leave();
  await server.kill();
  server.restore(backup);
  await server.start();

  await other.back();
  assert.deepEqual(await seen(other), { edited: 10, kept: 0, lost: 11, waits: 12 });
  await writer.back(); // has the same to write again
  await stale.back();
  other.store.refresh();
  await when(other.store, ({ connection }) => connection !== 'live');
  await when(other.store, ({ connection }) => connection === 'live');
  for (const device of [writer, other, stale]) {
    assert.deepEqual(await seen(device), { edited: 10, kept: 0, lost: 11, waits: 12 });
    assert.equal((await device.store.get('waits'))?.value?.more, 1);
    assert.equal(await device.store.isUploaded(), true);
  }
  for (const each of [one, two, three]) each!.close();
});

test('what a restore lost is written again also where it comes while a walk from the beginning is under way', async () => {
  const [own] = devices(server, 1);
  const mirror = await away(own!);
  await mirror.back();
  await mirror.store.put('kept', { n: 0 }).synced;
  const backup = server.backup();
  await mirror.store.put('kept', { n: 1 }).synced;
  await mirror.store.put('lost', { n: 2 }).synced;
  await when(mirror.store, ({ connection }) => connection === 'live');
  mirror.network.refusal = { code: 'CURSOR_TOO_OLD', floor: 1, erased: false };
  mirror.network.onlyRefusal = true;
  mirror.store.refresh();
  await when(mirror.store, ({ connection }) => connection === 'offline'); // heard of it, and no more
  assert.equal(mirror.network.refusal, undefined);
  await server.kill();
  server.restore(backup);
  await server.start();
  mirror.network.onlyRefusal = false;
  await mirror.back();
  assert.deepEqual(await seen(mirror), { kept: 1, lost: 2 });
  const again = await new Device(own!.identity, server.url).tab<Note>();
  await when(again, ({ connection }) => connection === 'live');
  assert.deepEqual((await again.list()).map(({ id, value }) => [id, value!.n]), [['kept', 1], ['lost', 2]]);
  again.close();
  own!.close();
});

test('a tab without Web Locks sends and merges nothing amid the walk of another one', async () => {
  const [own] = devices(server, 1);
  const alone = { tabs: { locks: undefined } };
  const network = new Network();
  let restored = false;
  let reached = () => {};
  const walked = new Promise<void>((resolve) => (reached = resolve));
  const walking: typeof fetch = async (...args) => {
    const { query, variables } = JSON.parse(new TextDecoder().decode(args[1]!.body as Uint8Array)) as { query: string; variables: { since?: unknown } };
    if (restored && query.startsWith('query') && variables.since === null) {
      reached();
      const { signal } = args[1]!;
      await new Promise((_, reject) => signal!.addEventListener('abort', () => reject(signal!.reason as Error))); // frozen at the walk's first page
    }
    return network.fetch(...args);
  };
  const behind: typeof fetch = async (...args) => {
    if (restored) await walked; // never the first to hear of the restore
    return fetch(...args);
  };
  const one = await own!.tab<Note>({ ...alone, fetch: walking, pollSeconds: 0.2 });
  const other = await own!.tab<Note>({ ...alone, fetch: behind });
  await one.put('kept', { n: 0 }).synced;
  const backup = server.backup();
  await one.put('lost', { n: 1 }).synced;
  await Promise.all([one, other].map((store) => when(store, ({ connection, uploaded }) => connection === 'live' && uploaded)));
  restored = true;
  await server.kill();
  server.restore(backup);
  await server.start();
  // The first one asks, hears of the restore, queues what is lost, and tells the other one
  await walked;
  await until(async () => !(await other.get('lost'))?.pending && (await other.isUploaded()));
  assert.deepEqual((await other.list()).map(({ id, value }) => [id, value?.n]), [['kept', 0], ['lost', 1]]);
  own!.close();
});

test('a conflict with what a restored server has is no endless one', async () => {
  const [own] = devices(server, 1);
  let writes = 0;
  let tooMany = () => {};
  const endless = new Promise<void>((resolve) => (tooMany = resolve));
  const counting: typeof fetch = async (...args) => {
    if (new TextDecoder().decode(args[1]!.body as Uint8Array).includes('writeRecords') && ++writes === 20) tooMany();
    return fetch(...args);
  };
  const store = await own!.tab<Note>({ fetch: counting });
  await store.put('a', { n: 1 }).synced;
  const backup = server.backup();
  await store.put('a', { n: 2 }).synced;
  await when(store, ({ connection }) => connection === 'live');
  await server.kill();
  server.restore(backup);
  await server.start();
  writes = 0;
  await Promise.race([store.put('a', { n: 3 }).synced, endless]); // nothing told it of the restore
  const { value, pending } = (await store.get('a'))!;
  own!.close();
  assert.deepEqual([value, pending], [{ n: 3 }, false]);
  assert.ok(writes < 5, `${writes} requests`);
});

test('a cursor that the server cannot read is one too old', async () => {
  const [own] = devices(server, 1);
  const first = await own!.tab<Note>();
  await first.put('a', { n: 1 }).synced;
  first.close();
  await own!.storage.transact('write', async (t) => t.put('meta', 'meta', { ...((await t.get('meta', 'meta')) as object), cursor: 'not a cursor' }));
  const again = await own!.tab<Note>();
  await when(again, ({ connection }) => connection === 'live');
  assert.deepEqual((await again.list()).map(({ id }) => id), ['a']);
  own!.close();
});
