import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { TestContext } from 'node:test';

import { decodeText, encodeText, Identity, newNonce, Session, signedFetch } from '@syncline/client';
import { createSocket } from '@syncline/client/graphql-ws';
import { replicateSyncline } from '@syncline/client/rxdb';
import type { SynclineReplicationOptions } from '@syncline/client/rxdb';
import { createRxDatabase } from 'rxdb';
import type { RxConflictHandler } from 'rxdb';
import { getRxStorageMemory } from 'rxdb/plugins/storage-memory';
import { wrappedValidateAjvStorage } from 'rxdb/plugins/validate-ajv';
import { Server, until } from 'syncline-testing';
import { WebSocket } from 'ws';

import { call, set } from './call.js';
import { Network } from './store/network.js';

let server: Server;
before(async () => (server = await Server.start()));
after(() => server.stop());

interface Note {
  id: string;
  text: string;
  done: boolean;
}

const schema = {
  version: 0,
  primaryKey: 'id',
  type: 'object',
  properties: { id: { type: 'string', maxLength: 50 }, text: { type: 'string' }, done: { type: 'boolean' } },
  required: ['id', 'text', 'done'],
} as const;

const note = (id: string, text = id, done = false): Note => ({ id, text, done });

/** Keeps what each side changed; of what both did, the server's. */
const fields: RxConflictHandler<Note> = {
  isEqual: (a, b) => a.text === b.text && a.done === b.done && a._deleted === b._deleted,
  resolve: async ({ assumedMasterState: was, newDocumentState: mine, realMasterState: theirs }) => ({
    ...theirs,
    text: theirs.text === was?.text ? mine.text : theirs.text,
    done: theirs.done === was?.done ? mine.done : theirs.done,
  }),
};

/** A device of a user, with a database of its own that begins to replicate when it is told to. */
async function deviceOf(t: TestContext, identity: Identity, options: Partial<SynclineReplicationOptions<Note>> = {}, of = server) {
  const network = new Network();
  const database = await createRxDatabase({ name: newNonce(), storage: wrappedValidateAjvStorage({ storage: getRxStorageMemory() }), multiInstance: false });
  t.after(() => database.close());
  const { notes } = await database.addCollections({ notes: { schema, conflictHandler: fields } });
  const session = new Session({ url: of.url, identity });
  const errors: string[] = [];
  const start = () => {
    const replication = replicateSyncline<Note>({ collection: notes as never, session, fetch: network.fetch, retryTime: 50, pollSeconds: 3600, ...options });
    replication.error$.subscribe(({ parameters }) => errors.push(...(parameters.errors ?? []).map((error) => String((error as { code?: string }).code))));
    return replication;
  };
  const texts = async () => Object.fromEntries((await notes.find().exec()).map(({ id, text }) => [id, text]));
  return { notes, start, texts, network, errors, session };
}

type Replication = ReturnType<Awaited<ReturnType<typeof deviceOf>>['start']>;

/** Waits until a condition holds, while replications look what there is. */
const synced = (replications: Replication[], holds: () => Promise<boolean> | boolean) =>
  until(async () => {
    for (const each of replications) each.reSync();
    await Promise.all(replications.map((each) => each.awaitInSync()));
    return holds();
  });

const sender = (identity: Identity, of = server) => signedFetch(new Session({ url: of.url, identity }));
const RECORDS = '{ changes(first: 1000) { records { id data revision deleted } } }';

/** What the server has of a user's live records: texts by id. */
async function stored(identity: Identity, of = server): Promise<Record<string, string>> {
  const { changes } = await call<{ changes: { records: { id: string; data: string | null }[] } }>(of.url, sender(identity, of), RECORDS);
  return Object.fromEntries(changes.records.flatMap(({ id, data }) => (data ? [[id, (JSON.parse(decodeText(data)) as Note).text]] : [])));
}

const same = async (a: () => Promise<object>, b: object) => JSON.stringify(Object.entries(await a()).sort()) === JSON.stringify(Object.entries(b).sort());

test('two devices converge live: what is inserted, changed and deleted on one is so on the other', async (t) => {
  const identity = Identity.create();
  const live = () => createSocket(new Session({ url: server.url, identity }), { webSocketImpl: WebSocket });
  const [phone, desk] = await Promise.all([deviceOf(t, identity, { live: live() }), deviceOf(t, identity, { live: live() })]);
  await phone.notes.insert(note('gone'));
  await (await phone.notes.findOne('gone').exec())!.remove(); // before anybody heard of it
  const replications = [phone.start(), desk.start()];
  await Promise.all(replications.map((each) => each.awaitInitialReplication()));
  await phone.notes.bulkInsert([note('1', 'milk'), note('2', 'bread'), note('3', 'salt')]);
  await until(() => same(desk.texts, { 1: 'milk', 2: 'bread', 3: 'salt' }));
  await (await desk.notes.findOne('1').exec())!.patch({ text: 'rolls' });
  await (await desk.notes.findOne('2').exec())!.remove();
  await until(() => same(phone.texts, { 1: 'rolls', 3: 'salt' }));
  await (await phone.notes.findOne('1').exec())!.patch({ done: true });
  await phone.notes.insert(note('2', 'again'));
  await until(async () => (await same(desk.texts, { 1: 'rolls', 2: 'again', 3: 'salt' })) && (await desk.notes.findOne('1').exec())!.done);
  assert.deepEqual(await stored(identity), { 'notes/1': 'rolls', 'notes/2': 'again', 'notes/3': 'salt' });
  assert.deepEqual([...phone.errors, ...desk.errors], []);
});

test('of a batch in which one document conflicts, none is lost: the others are written, and the conflict is merged', async (t) => {
  const identity = Identity.create();
  const [phone, desk] = await Promise.all([deviceOf(t, identity), deviceOf(t, identity)]);
  const [here, there] = [phone.start(), desk.start()];
  const ids = Array.from({ length: 10 }, (_, n) => String(n));
  await phone.notes.bulkInsert(ids.map((id) => note(id)));
  await synced([here, there], async () => Object.keys(await desk.texts()).length === 10);
  phone.network.down = true;
  await phone.notes.bulkUpsert(ids.map((id) => note(id, `${id} mine`)));
  await phone.notes.bulkInsert([note('new')]);
  await (await desk.notes.findOne('4').exec())!.patch({ done: true });
  await (await desk.notes.findOne('7').exec())!.patch({ text: 'theirs' });
  await (await desk.notes.findOne('8').exec())!.remove();
  await there.awaitInSync();
  phone.network.down = false;
  const expected = { ...Object.fromEntries(ids.map((id) => [id, `${id} mine`])), 7: 'theirs', new: 'new' } as Record<string, string>;
  delete expected['8'];
  await synced([here, there], async () => (await same(phone.texts, expected)) && same(desk.texts, expected));
  assert.equal((await phone.notes.findOne('4').exec())!.done, true);
  assert.deepEqual(await stored(identity), Object.fromEntries(Object.entries(expected).map(([id, text]) => [`notes/${id}`, text])));
});

test('what conflicts only as it is written takes no other of its batch along', async (t) => {
  const identity = Identity.create();
  const send = sender(identity);
  let written = 0;
  const device = await deviceOf(t, identity, {
    async fetch(input, init) {
      const asked = new TextDecoder().decode(init!.body as Uint8Array);
      if (asked.includes('writeRecords') && written++ === 0) await set(server.url, send, 'notes/3', JSON.stringify(note('3', 'theirs')));
      return fetch(input, init);
    },
  });
  await device.notes.bulkInsert(['1', '2', '3', '4'].map((id) => note(id)));
  const replication = device.start();
  await until(() => same(() => stored(identity), { 'notes/1': '1', 'notes/2': '2', 'notes/3': 'theirs', 'notes/4': '4' }));
  await synced([replication], () => same(device.texts, { 1: '1', 2: '2', 3: 'theirs', 4: '4' }));
  assert.equal(written, 2, 'refused as a whole, and again without the one that clashed');
});

for (const batchSize of [1, 7, 100, 1000]) {
  test(`a new device has all documents, pulled ${batchSize} at a time, whatever else the user has`, async (t) => {
    const identity = Identity.create();
    const send = sender(identity);
    for (let n = 0; n < 20; n++) {
      await set(server.url, send, `notes/${n}`, JSON.stringify(note(String(n))));
      await set(server.url, send, `other/${n}`, 'of another collection');
    }
    await set(server.url, send, 'notes/bad', 'not JSON');
    const device = await deviceOf(t, identity, { batchSize });
    const replication = device.start();
    await replication.awaitInitialReplication();
    assert.equal(Object.keys(await device.texts()).length, 20);
    assert.deepEqual(device.errors, ['UNREADABLE']);
    const sinces = () => device.network.sent.filter(({ query }) => query.includes('changes')).map(({ variables }) => (variables as { since?: string }).since);
    const pulled = async () => {
      const { length } = sinces();
      replication.reSync();
      await until(() => sinces().length > length);
      await replication.awaitInSync();
      return sinces().at(-1);
    };
    for (let n = 20; n < 30; n++) await set(server.url, send, `other/${n}`, 'more of it');
    assert.notEqual(await pulled(), await pulled(), 'what is of others is not fetched again');
    await set(server.url, send, 'notes/last', JSON.stringify(note('last')));
    await synced([replication], async () => Object.keys(await device.texts()).length === 21);
  });
}

test('a page that is short for its bytes is not the end', async (t) => {
  const identity = Identity.create();
  const send = sender(identity);
  const text = 'x'.repeat(60_000);
  const count = 75; // above 4 MiB, which a page has at most
  for (let n = 0; n < count; n++) await set(server.url, send, `notes/${n}`, JSON.stringify(note(String(n), text)));
  const device = await deviceOf(t, identity);
  await device.start().awaitInitialReplication();
  assert.equal(Object.keys(await device.texts()).length, count);
  const pulls = device.network.sent.filter(({ query }) => query.includes('changes')).length;
  assert.ok(pulls >= 2, `${pulls} pages`);
  await device.notes.bulkUpsert(Array.from({ length: count }, (_, n) => note(String(n), `${text}y`))); // more than a request may have
  await until(async () => (await call<{ viewer: { head: number } }>(server.url, send, '{ viewer { head } }')).viewer.head === 2 * count);
  assert.deepEqual(device.errors, []);
});

test('after a server that was away, and answers that were lost, all is written once', async (t) => {
  const own = await Server.start();
  t.after(() => own.stop());
  const identity = Identity.create();
  const live = createSocket(new Session({ url: own.url, identity }), { webSocketImpl: WebSocket });
  const [phone, desk] = await Promise.all([deviceOf(t, identity, { live }, own), deviceOf(t, identity, {}, own)]);
  const [here, there] = [phone.start(), desk.start()];
  await phone.notes.insert(note('1', 'milk'));
  await synced([here, there], () => same(desk.texts, { 1: 'milk' }));
  await own.kill();
  await phone.notes.insert(note('2', 'bread'));
  await (await desk.notes.findOne('1').exec())!.patch({ text: 'rolls' });
  await own.start();
  await until(() => same(phone.texts, { 1: 'rolls', 2: 'bread' })); // hears of it by itself
  phone.network.lost = 1;
  await (await phone.notes.findOne('2').exec())!.patch({ text: 'salt' });
  await until(() => phone.network.down);
  await (await phone.notes.findOne('2').exec())!.patch({ done: true });
  phone.network.down = false;
  await synced([here, there], async () => (await same(desk.texts, { 1: 'rolls', 2: 'salt' })) && (await desk.notes.findOne('2').exec())!.done);
  const { changes } = await call<{ changes: { records: { revision: number }[] } }>(own.url, sender(identity, own), RECORDS);
  assert.equal(Math.max(...changes.records.map(({ revision }) => revision)), 5);
});

test('when the cursor is too old, what is gone is dropped, and what was not sent is kept', async (t) => {
  const identity = Identity.create();
  const [phone, desk] = await Promise.all([deviceOf(t, identity), deviceOf(t, identity, { batchSize: 2 })]);
  const [here, there] = [phone.start(), desk.start()];
  await phone.notes.bulkInsert(['1', '2', '3', '4', '5'].map((id) => note(id)));
  await synced([here, there], async () => Object.keys(await desk.texts()).length === 5);
  desk.network.down = true;
  await desk.notes.insert(note('mine'));
  const erase = 'mutation ($input: EraseAccountInput!) { eraseAccount(input: $input) { erasedRecords } }';
  await call(server.url, sender(identity), erase, { input: { owner: identity.publicKey } }); // which makes all cursors too old
  await synced([here], () => same(phone.texts, {}));
  await phone.notes.bulkInsert([note('4', 'again'), note('5'), note('6'), note('7')]);
  await here.awaitInSync();
  desk.network.down = false;
  const expected = { 4: 'again', 5: '5', 6: '6', 7: '7', mine: 'mine' };
  await synced([here, there], async () => (await same(desk.texts, expected)) && same(phone.texts, expected));
  await (await phone.notes.findOne('5').exec())!.remove();
  await synced([here, there], async () => !('5' in (await desk.texts())));
  assert.deepEqual(desk.errors.filter((code) => code !== 'UNREACHABLE'), []);
});

test('what a restored server lost is written again, and what was deleted before stays so', async (t) => {
  const own = await Server.start();
  t.after(() => own.stop());
  const identity = Identity.create();
  const [phone, desk, tablet] = await Promise.all([deviceOf(t, identity, {}, own), deviceOf(t, identity, {}, own), deviceOf(t, identity, {}, own)]);
  const [here, there, late] = [phone.start(), desk.start(), tablet.start()];
  await phone.notes.bulkInsert(['1', '2', '3'].map((id) => note(id)));
  await synced([here, there, late], async () => Object.keys(await desk.texts()).length === 3 && Object.keys(await tablet.texts()).length === 3);
  tablet.network.down = true;
  await (await phone.notes.findOne('3').exec())!.remove();
  await here.awaitInSync();
  await until(async () => !('notes/3' in (await stored(identity, own))));
  const backup = own.backup();
  await phone.notes.insert(note('4'));
  await (await phone.notes.findOne('1').exec())!.patch({ text: 'lost' });
  await synced([here, there], () => same(desk.texts, { 1: 'lost', 2: '2', 4: '4' }));
  await own.kill();
  own.restore(backup);
  await own.start();
  tablet.network.down = false;
  const expected = { 1: 'lost', 2: '2', 4: '4' };
  await synced([late], () => same(tablet.texts, { 1: '1', 2: '2' })); // has seen nothing of what was lost
  await synced([here, there, late], async () => (await same(phone.texts, expected)) && (await same(desk.texts, expected)) && same(tablet.texts, expected));
  assert.deepEqual(await stored(identity, own), { 'notes/1': 'lost', 'notes/2': '2', 'notes/4': '4' });
});

test('a document that the server refuses keeps no other of its batch from being written, and error$ tells', async (t) => {
  const identity = Identity.create();
  const device = await deviceOf(t, identity);
  device.start();
  await device.notes.bulkInsert([note('1'), note('large', 'x'.repeat(70_000)), note('2')]);
  await until(async () => Object.keys(await stored(identity)).length === 2 && device.errors.includes('BAD_USER_INPUT'));
});

test('the replication ends when another identity takes over', async (t) => {
  const device = await deviceOf(t, Identity.create());
  const replication = device.start();
  await replication.awaitInitialReplication();
  await device.session.switchTo(Identity.create());
  await until(() => replication.isStopped());
  const before = device.network.sent.length;
  await device.notes.insert(note('1'));
  replication.reSync();
  await set(server.url, sender(Identity.create()), 'a', encodeText('')); // a round trip meanwhile
  assert.equal(device.network.sent.length, before);
});
