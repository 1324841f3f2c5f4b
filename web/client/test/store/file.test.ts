import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Identity, Session, signedFetch } from '@syncline/client';
import { memoryStorage } from '@syncline/client/store';
import type { Storage, Store } from '@syncline/client/store';
import { Server } from 'syncline-testing';

import { call } from '../call.js';
import { Device, when } from './devices.js';
import { Network } from './network.js';

let server: Server;
before(async () => (server = await Server.start()));
after(() => server.stop());

interface Note {
  text: string;
  more?: number;
}

const ask = <T>(identity: Identity, query: string, variables = {}) => call<T>(server.url, signedFetch(new Session({ url: server.url, identity })), query, variables);

/** How many writes the server took of a user. */
const head = async (identity: Identity) => (await ask<{ viewer: { head: number } }>(identity, '{ viewer { head } }')).viewer.head;

const isLive = (store: Store<Note>) => when(store, ({ connection, pending, error }) => connection === 'live' && pending.count === 0 && !error);

/** A device of a user, with a network of its own. */
async function device(identity = Identity.create(), options: { down?: boolean; storage?: Storage; schemaVersion?: string } = {}) {
  const network = Object.assign(new Network(), { down: options.down ?? false });
  const own = new Device(identity, server.url, options.storage);
  const { schemaVersion = '' } = options;
  const store = await own.tab<Note>({ fetch: network.fetch, schemaVersion });
  if (!network.down) await isLive(store);
  return {
    identity,
    network,
    store,
    /** One more tab of it. */
    tab: () => own.tab<Note>({ fetch: network.fetch, schemaVersion }),
    async leave() {
      network.down = true;
      store.refresh();
      await when(store, ({ connection }) => connection === 'offline');
    },
    async back() {
      network.down = false;
      store.refresh();
      await isLive(store);
    },
    seen: async () => Object.fromEntries((await store.list()).map(({ id, value, pending, refused }) => [id, [value?.text, ...(pending ? ['pending'] : []), ...(refused ? ['refused'] : [])].join(' ')])),
    close: () => own.close(),
  };
}

/** A device with something of all that a store can have, offline. */
async function full() {
  const one = await device();
  const { store } = one;
  await store.batch((batch) => ['edited', 'deleted', 'same'].forEach((id) => batch.put(id, { text: 'old' }))).synced;
  await assert.rejects(store.put('large', { text: 'x'.repeat(70_000) }).synced);
  await one.leave();
  await store.put('edited', { text: 'new' });
  await store.delete('deleted');
  await store.batch((batch) => ['first', 'second'].forEach((id) => batch.put(id, { text: 'both' })));
  await store.batch((batch) => ['first', 'third'].forEach((id) => batch.put(id, { text: 'again' }))); // in a request of its own
  return one;
}

test('what one store exported is all there in another one, and is sent from there', async () => {
  const one = await full();
  const file = await one.store.export();
  const two = await device(one.identity, { down: true });
  await two.store.import(file);
  const seen = await one.seen();
  assert.deepEqual({ ...seen, large: '' }, { edited: 'new pending', same: 'old', first: 'again pending', second: 'both pending', third: 'again pending', large: '' });
  assert.deepEqual(await two.seen(), seen);
  assert.deepEqual([two.store.status.pending, two.store.status.refused], [one.store.status.pending, 1]);
  assert.deepEqual((await two.store.refused()).map(({ code, writes }) => [code, writes[0]!.id]), [['BAD_USER_INPUT', 'large']]);

  const third = await device(one.identity);
  await third.store.put('edited', { text: 'old', more: 1 }).synced;
  await two.back();
  assert.deepEqual((await two.store.get('edited'))?.value, { text: 'new', more: 1 }, 'merged upon what both changed');
  third.store.refresh();
  await when(third.store, ({ connection }) => connection !== 'live');
  await isLive(third.store);
  assert.deepEqual(await third.seen(), { edited: 'new', same: 'old', first: 'again', second: 'both', third: 'again' });
  for (const each of [one, two, third]) each.close();
});

test('a queue that several stores have is written once, also if all of them send it, and also over what came later', async () => {
  const one = await full();
  const file = await one.store.export();
  await one.store.put('edited', { text: 'newest' }); // behind what the file has
  const two = await device(one.identity);
  await two.store.import(file);
  await isLive(two.store);
  const sent = await head(one.identity);
  assert.equal(sent, 3 + 6);
  const other = await device(one.identity);
  await other.store.batch((batch) => ['first', 'second', 'deleted'].forEach((id) => batch.put(id, { text: 'later' }))).synced;

  const three = await device(one.identity);
  await three.store.import(file);
  await isLive(three.store);
  await two.store.drop((await two.store.refused())[0]!.seq);
  await two.store.import(file); // once more
  await isLive(two.store);
  assert.equal(await head(one.identity), sent + 3, 'nothing was written again');

  await one.back();
  assert.equal(await head(one.identity), sent + 4, 'but for what was written after the file');
  const expected = { edited: 'newest', same: 'old', first: 'later', second: 'later', third: 'again', deleted: 'later' };
  const { large: _, ...seen } = await one.seen();
  assert.deepEqual(seen, expected);
  for (const each of [one, two, three, other]) each.close();
});

test('what conflicts is merged by each who has the file, with one result', async () => {
  const one = await full();
  const file = await one.store.export();
  const other = await device(one.identity);
  await other.store.put('edited', { text: 'theirs', more: 1 }).synced;
  await one.back();
  const merged = await head(one.identity);
  await other.store.put('same', { text: 'later' }).synced;
  const two = await device(one.identity);
  await two.store.import(file);
  await isLive(two.store);
  assert.equal(await head(one.identity), merged + 1, 'the other one found the same');
  assert.deepEqual(await two.seen(), { ...(await one.seen()), same: 'later' });
  assert.deepEqual((await two.store.get('edited'))?.value, { text: 'new', more: 1 });
  for (const each of [one, two, other]) each.close();
});

const erase = (identity: Identity) =>
  ask(identity, 'mutation ($input: EraseAccountInput!) { eraseAccount(input: $input) { erasedRecords } }', { input: { owner: identity.publicKey } });

/** What is set aside because it was erased elsewhere, unit by unit. */
const erasedOf = async (store: Store<Note>) =>
  (await store.refused()).filter(({ code }) => code === 'ERASED').map(({ writes }) => writes.map(({ id }) => id).join());

test('a file from before an erasure brings nothing back', async () => {
  const one = await full();
  const file = await one.store.export();
  one.close();
  await erase(one.identity);
  const two = await device(one.identity);
  await two.store.import(file);
  await isLive(two.store);
  const { large: _, ...seen } = await two.seen();
  assert.deepEqual(seen, {});
  assert.deepEqual(await erasedOf(two.store), ['edited', 'deleted', 'second', 'first,third']);
  two.close();
});

test('nor does it where a tab imports it that does not lead, and is gone before it can say that there is something to fetch', async () => {
  const one = await device();
  await one.store.put('old', { text: 'old' }).synced;
  await one.leave();
  await one.store.put('new', { text: 'new' }); // which the server would take at any time
  const file = await one.store.export();
  one.close();
  await erase(one.identity);
  const two = await device(one.identity);
  const tab = await two.tab();
  tab.onStatus(({ pending }) => pending.count > 0 && tab.close());
  const heard = when(two.store, ({ pending }) => pending.count > 0);
  await tab.import(file);
  await heard;
  await isLive(two.store);
  assert.deepEqual([await two.seen(), await erasedOf(two.store)], [{}, ['new']]);
  two.close();
});

/** A file with its bytes, or its text, changed. */
const changed = async (file: Blob, change: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>) => new Blob([change(new Uint8Array(await file.arrayBuffer()))]);
const edited = async (file: Blob, from: string, to: string) => new Blob([(await file.text()).replace(from, to)]);

test('a file that is damaged, newer or of somebody else is refused by its code, and leaves all as it was', async () => {
  const one = await full();
  const file = await one.store.export();
  const { size } = file;
  const two = await device(one.identity, { down: true });
  await two.store.import(file);
  for (const { seq } of await two.store.refused()) await two.store.drop(seq);
  await two.back();
  await two.leave();
  const seen = await two.seen();
  const refused = async (wrong: Blob, code: string, by = two) => assert.rejects(by.store.import(wrong), { name: 'SynclineError', code });

  for (let at = 0; at < size - 1; at += Math.ceil(size / 200)) {
    const flipped = await changed(file, (bytes) => bytes.with(at, bytes[at]! ^ 1) as Uint8Array<ArrayBuffer>);
    await assert.rejects(two.store.import(flipped), ({ code }: { code: string }) => ['DAMAGED', 'OTHER_OWNER', 'FORMAT_NEWER'].includes(code), `byte ${at}`);
    await refused(file.slice(0, at), 'DAMAGED');
  }
  const rows = (await file.text()).split('\n');
  await refused(new Blob([[...rows.slice(0, 2), ...rows.slice(3)].join('\n')]), 'DAMAGED');
  await refused(new Blob(['PK\u0003\u0004']), 'DAMAGED');
  await refused(await edited(file, '"version":1', '"version":2'), 'FORMAT_NEWER');

  const stranger = await device();
  await refused(file, 'OTHER_OWNER', stranger);
  const newer = await device(one.identity, { down: true, schemaVersion: '2' });
  await refused(await newer.store.export(), 'SCHEMA_NEWER');
  await refused(file, 'WRITES_WAIT', one);
  assert.deepEqual(await two.seen(), seen);
  assert.deepEqual(await stranger.seen(), {});
  assert.equal(one.store.status.pending.count, 4);
  for (const each of [one, two, stranger, newer]) each.close();
});

test('an import that is cut short leaves all as it was', async () => {
  const one = await full();
  const file = await one.store.export();
  const inner = memoryStorage();
  let left = Infinity;
  const failing: Storage = {
    transact: (mode, work) =>
      inner.transact(mode, (transaction) =>
        work({
          ...transaction,
          put(...args) {
            if (left-- === 0) throw new Error('cut');
            transaction.put(...args);
          },
        }),
      ),
    close: () => {},
  };
  const two = await device(one.identity, { storage: failing });
  await two.leave();
  const everything = () => inner.transact('read', async (t) => [await t.list('records'), await t.list('writes'), await t.list('refused'), await t.get('meta', 'meta')]);
  const before = await everything();
  for (let puts = 0; ; puts++) {
    left = puts;
    const done = await two.store.import(file).then(() => true, () => false);
    left = Infinity;
    if (done) {
      assert.ok(puts > 8, `${puts} puts`);
      break;
    }
    assert.deepEqual(await everything(), before);
  }
  assert.deepEqual(await two.seen(), await one.seen());
  for (const each of [one, two]) each.close();
});

test('a file of the first version is read by all later ones', async () => {
  const path = fileURLToPath(new URL('../../store/exported-1.jsonl', import.meta.url));
  const one = await device(Identity.fromHex('11'.repeat(32)), { down: true });
  await one.store.import(new Blob([readFileSync(path)]));
  assert.deepEqual(await one.seen(), { kept: 'kept', edited: 'new pending', refused: 'refused refused' });
  one.close();
});

test('the file of an encrypted store shows nothing of what is in it, and is for such stores only', async () => {
  const identity = Identity.create();
  const make = () => new Device(identity, server.url).tab<Note>({ encryption: true });
  const [one, two] = [await make(), await make()];
  await one.put('a', { text: 'a secret' }).synced;
  const file = await one.export();
  assert.doesNotMatch(await file.text(), /secret/);
  await two.import(file);
  assert.deepEqual((await two.get('a'))?.value, { text: 'a secret' });

  const plain = await device(identity, { down: true });
  await assert.rejects(plain.store.import(file), { name: 'SynclineError', code: 'OTHER_ENCRYPTION' });
  await assert.rejects(two.import(await plain.store.export()), { name: 'SynclineError', code: 'OTHER_ENCRYPTION' });
  assert.deepEqual([await plain.seen(), (await two.list()).length], [{}, 1]);
  for (const each of [one, two, plain]) each.close();
});
