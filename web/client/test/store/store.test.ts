import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Identity, Session, signedFetch } from '@syncline/client';
import { memoryStorage } from '@syncline/client/store';
import type { Codec, Migrations, Storage, StoredRecord, StoreOptions } from '@syncline/client/store';
import { Server, until } from 'syncline-testing';

import { set } from '../call.js';
import { Device, devices, when } from './devices.js';
import { Network } from './network.js';

let server: Server;
before(async () => (server = await Server.start()));
after(() => server.stop());

interface Note {
  text: string;
  done?: boolean;
}

const device = () => devices(server, 1)[0]!;
const valuesOf = <T>(records: StoredRecord<T>[]) => Object.fromEntries(records.map(({ id, value }) => [id, value]));

test('what is written on one device is there on the other, and on the first at once', async () => {
  const [phone, desk] = devices(server, 2);
  const here = await phone!.tab<Note>();
  const written = here.put('a', { text: 'milk' });
  await written;
  const shown = await here.get('a');
  assert.deepEqual([shown?.value, shown?.problem], [{ text: 'milk' }, undefined]);
  await written.synced;
  const stored = await here.get('a');
  assert.deepEqual([stored?.pending, stored?.revision], [false, 1]);

  const there = await desk!.tab<Note>();
  await when(there, ({ complete }) => complete);
  assert.deepEqual((await there.list()).map(({ id, value, revision }) => ({ id, value, revision })), [{ id: 'a', value: { text: 'milk' }, revision: 1 }]);
  await there.update('a', (note) => ({ ...note!, done: true })).synced;
  await there.delete('b').synced; // which nobody has
  await there.delete('a').synced;
  assert.equal(await there.get('a'), undefined);
  assert.equal(await there.isUploaded(), true);
  for (const each of [phone, desk]) each!.close();
});

test('lists are those of their prefix, bounds and limit', async () => {
  const store = await device().tab<number>();
  const ids = ['a', 'n/1', 'n/2', 'n/3', 'n/4', 'o'];
  await store.batch((batch) => ids.forEach((id, n) => batch.put(id, n)));
  await store.delete('n/3');
  const list = async (query?: Parameters<typeof store.list>[0]) => (await store.list(query)).map(({ id }) => id);
  assert.deepEqual(await list(), ['a', 'n/1', 'n/2', 'n/4', 'o']);
  assert.deepEqual(await list({ prefix: 'n/' }), ['n/1', 'n/2', 'n/4']);
  assert.deepEqual(await list({ prefix: 'n/', above: 'n/1' }), ['n/2', 'n/4']);
  assert.deepEqual(await list({ prefix: 'n/', above: 'a', limit: 2 }), ['n/1', 'n/2']);
  assert.deepEqual(await list({ from: 'n/2', below: 'o' }), ['n/2', 'n/4']);
  assert.deepEqual(await list({ limit: 3 }), ['a', 'n/1', 'n/2']); // a deleted one does not count
  assert.deepEqual(await list({ above: 'n/2', limit: 1 }), ['n/4']);
  assert.deepEqual(await list({ prefix: 'x' }), []);
  assert.deepEqual(await list({ limit: 0 }), []);
  store.close();
});

test('values are text, bytes, JSON, or of a codec', async () => {
  const own = device();
  const text = await own.tab<string>({ codec: 'text' });
  await text.put('text', 'ä\ufeff');
  assert.equal((await text.get('text'))?.value, 'ä\ufeff');
  await assert.rejects(text.put('text', 'half \ud83d'), { code: 'BAD_USER_INPUT' });
  const bytes = await own.tab<Uint8Array>({ codec: 'bytes' });
  await bytes.put('bytes', new Uint8Array([0, 255]));
  assert.deepEqual([...(await bytes.get('bytes'))!.value!], [0, 255]);
  const dates: Codec<Date> = { encode: (date) => new TextEncoder().encode(date.toISOString()), decode: (data) => new Date(new TextDecoder().decode(data)) };
  const dated = await own.tab<Date>({ codec: dates });
  await dated.put('date', new Date(0));
  assert.equal((await dated.get('date'))?.value?.getTime(), 0);
  const json = await own.tab();
  assert.equal((await json.get('text'))?.problem?.code, 'UNREADABLE');
  assert.deepEqual((await json.list()).map(({ id, problem }) => [id, problem?.code]), [['bytes', 'UNREADABLE'], ['date', 'UNREADABLE'], ['text', 'UNREADABLE']]);
  await assert.rejects(json.put('none', undefined), { code: 'BAD_USER_INPUT' });
  for (const id of ['', 'x'.repeat(65), 'a\n', '\ud83d']) await assert.rejects(json.put(id, 1), { code: 'BAD_USER_INPUT' });
  own.close();
});

test('a batch is kept whole or not at all', async () => {
  const store = await device().tab<number>();
  await store.put('a', 1);
  const failure = new Error('of the app');
  const failed = store.batch((batch) => {
    batch.put('b', 2);
    batch.update('a', () => {
      throw failure;
    });
  });
  await assert.rejects(failed, failure);
  assert.deepEqual(valuesOf(await store.list()), { a: 1 });
  await assert.rejects(store.batch((batch) => Array.from({ length: 101 }, (_, n) => batch.put(String(n), n))), { code: 'BAD_USER_INPUT' });
  await store.batch((batch) => {
    batch.put('b', 2);
    batch.update('b', (n) => n! + 1);
    batch.delete('a');
    batch.update('c', () => undefined);
  });
  assert.deepEqual(valuesOf(await store.list()), { b: 3 });
  store.close();
});

test('a watch is told once for each transaction, and never of half a batch, in any tab', async () => {
  const [phone, desk] = devices(server, 2);
  const [here, beside] = [await phone!.tab<number>(), await phone!.tab<number>()];
  const told: Record<string, number>[][] = [[], []];
  const stops = [here, beside].map((store, i) => store.watch({ prefix: 'w/' }, (records) => told[i]!.push(valuesOf(records) as Record<string, number>)));
  await until(() => told.every((each) => each.length === 1));
  for (let n = 0; n < 20; n++) {
    await (n % 2 ? here : beside).batch((batch) => ['w/a', 'w/b', 'x'].forEach((id) => batch.put(id, n)));
    await here.put('elsewhere', n);
  }
  await when(here, ({ uploaded }) => uploaded);
  await until(() => told.every((each) => each.at(-1)?.['w/b'] === 19));
  for (const each of told) {
    assert.deepEqual(each[0], {});
    assert.ok(each.every(({ 'w/a': a, 'w/b': b }) => a === b));
    assert.deepEqual([...new Set(each.slice(1).map(({ 'w/a': a }) => a))], Array.from({ length: 20 }, (_, n) => n));
  }

  const there = await desk!.tab<number>();
  const pages: (number | undefined)[][] = [];
  const one: number[] = [];
  there.watch(['w/b', 'x'], (records) => pages.push(records.map(({ value }) => value)));
  there.watch('x', ([record]) => record && one.push(record.value!));
  await until(() => pages.at(-1)?.length === 2);
  await here.batch((batch) => ['w/b', 'x'].forEach((id) => batch.put(id, 20))).synced;
  there.refresh();
  await until(() => pages.at(-1)?.[0] === 20);
  assert.deepEqual(pages.filter((page) => page.length > 0), [[19, 19], [20, 20]]);
  assert.deepEqual(one, [19, 20]);
  stops.forEach((stop) => stop());
  const before = told[0]!.length;
  await here.put('w/a', 99);
  assert.equal(told[0]!.length, before);
  for (const each of [phone, desk]) each!.close();
});

test('a watch is not told of records that are as they were, such as those that a walk from the beginning brings again', async () => {
  const [own] = devices(server, 1);
  const network = new Network();
  const store = await own!.tab<{ n: number }>({ fetch: network.fetch });
  const told: Record<string, unknown>[] = [];
  store.watch({}, (records) => told.push(Object.fromEntries(records.map((record) => [record.id, record]))));
  for (const n of [1, 2, 3]) await store.batch((batch) => ['a', 'b'].forEach((id) => batch.put(id, { n }))).synced;
  const live = () => when(store, ({ connection, error }) => connection === 'live' && !error);
  await live();
  const before = told.length;
  network.refusal = { code: 'CURSOR_TOO_OLD', floor: 1, erased: false };
  store.refresh();
  await until(() => network.refusal === undefined);
  await live();
  await store.put('c', { n: 4 }).synced;
  for (const [i, each] of told.slice(1).entries()) assert.notDeepEqual(each, told[i]);
  assert.deepEqual(told[before - 1]!['a'], told.at(-1)!['a']);
  assert.equal(told[before - 1]!['a'], told.at(-1)!['a'], 'a record that is as it was is the same object');
  assert.deepEqual(Object.keys(told[before]!), ['a', 'b', 'c']);
  own!.close();
});

test('a watch that cannot read says why, unless it was stopped or the store is over', async () => {
  const below = memoryStorage();
  const failure = new Error('no');
  let broken = false;
  const own = new Device(Identity.create(), server.url, { ...below, transact: (mode, work) => (broken ? Promise.reject(failure) : below.transact(mode, work)) });
  const [store, closed] = [await own.tab(), await own.tab()];
  broken = true;
  const heard: unknown[] = [];
  const hear = (name: string) => (error: unknown) => void heard.push([name, error]);
  closed.watch({}, () => {}, hear('closed'));
  closed.close();
  store.watch('a', () => {}, hear('stopped'))();
  store.watch('a', () => {}); // whom nobody asks
  store.watch('a', () => {}, hear('asked'));
  await until(() => heard.length > 0);
  assert.deepEqual(heard, [['asked', failure]]);
  own.close();
});

test('an app that throws when it is told something keeps nobody from being told, and no write from being sent', async () => {
  const reported: string[] = [];
  const listeners = process.listeners('unhandledRejection'); // the test runner's, for which it is a failure
  process.removeAllListeners('unhandledRejection');
  process.on('unhandledRejection', ({ message }: Error) => reported.push(message));
  const fail = (what: string) => () => {
    throw new Error(what);
  };
  const [phone, desk] = devices(server, 2);
  const network = new Network();
  const store = await phone!.tab<Note>({ fetch: network.fetch, onConflict: fail('onConflict') });
  const told: (string | undefined)[] = [];
  const stops = [store.onStatus(fail('onStatus')), store.watch('a', fail('watch'))];
  store.watch('a', ([record]) => told.push(record?.value?.text));
  await until(() => told.length === 1);
  const first = store.put('a', { text: 'milk' });
  await first; // though those who are told of it throw
  await first.synced;
  network.down = true;
  await store.put('a', { text: 'bread' });
  const there = await desk!.tab<Note>();
  await when(there, ({ complete }) => complete);
  await there.put('a', { text: 'cheese' }).synced;
  network.down = false;
  store.refresh();
  await when(store, ({ uploaded }) => uploaded);
  await until(() => ['onConflict', 'onStatus', 'watch'].every((what) => reported.includes(what)));
  for (const stop of stops) stop();
  await new Promise(setImmediate); // until what was thrown last is reported
  process.removeAllListeners('unhandledRejection');
  for (const listener of listeners) process.on('unhandledRejection', listener);
  assert.deepEqual([...new Set(told)], [undefined, 'milk', 'bread']);
  for (const each of [phone, desk]) each!.close();
});

test('what a killed tab wrote and did not tell is seen by the others, and sent', async () => {
  const own = device();
  const silent = { locks: undefined, channel: undefined };
  const [here, killed] = [await own.tab<number>(), await own.tab<number>({ tabs: silent, fetch: () => Promise.reject(new TypeError('no network')) })];
  const seen: number[] = [];
  here.watch('a', ([record]) => record && seen.push(record.value!));
  await when(here, ({ connection }) => connection === 'live');
  await killed.put('a', 1);
  const third = await own.tab<number>(); // finds it
  await until(() => seen.at(-1) === 1);
  await when(third, ({ uploaded }) => uploaded);
  await when(here, ({ uploaded }) => uploaded);
  assert.equal((await here.get('a'))?.pending, false);
  own.close();
});

test('older values are migrated as they are read, newer ones are shown and left alone', async () => {
  const [phone, desk] = devices(server, 2);
  const old = await phone!.tab<{ title: string }>({ schemaVersion: '1' });
  await old.put('a', { title: 'milk' }).synced;
  const migrations = {
    '1': ({ title }: { title: string }) => ({ text: title }),
    '2': (note: Note) => ({ ...note, done: false }),
  };
  const current = await desk!.tab<Note>({ schemaVersion: '3', migrations });
  await when(current, ({ complete }) => complete);
  assert.deepEqual((await current.get('a'))?.value, { text: 'milk', done: false });
  assert.equal((await current.get('a'))?.schemaVersion, '1');
  await current.update('a', (note) => ({ ...note!, done: true })).synced;

  const waiting = old.put('a', { title: 'mine' }); // made before it knows
  await waiting;
  old.refresh();
  await assert.rejects(waiting.synced, { code: 'SCHEMA_NEWER' });
  const [aside] = await old.refused();
  assert.deepEqual([aside?.code, aside?.writes], ['SCHEMA_NEWER', [{ id: 'a', value: { title: 'mine' } }]]);
  await old.drop(aside!.seq);
  const shown = await old.get('a');
  assert.deepEqual([shown?.value, shown?.problem?.code, shown?.schemaVersion], [undefined, 'SCHEMA_NEWER', '3']);
  await assert.rejects(old.put('a', { title: 'mine' }), { code: 'SCHEMA_NEWER' });
  await assert.rejects(old.update('a', () => ({ title: 'mine' })), { code: 'SCHEMA_NEWER' });
  await assert.rejects(old.delete('a'), { code: 'SCHEMA_NEWER' });
  await when(current, ({ uploaded }) => uploaded);
  assert.deepEqual((await current.get('a'))?.value, { text: 'milk', done: true });
  for (const each of [phone, desk]) each!.close();
});

test('migrations run in their order, also from no version at all, and where an object has none they are refused', async () => {
  const own = device();
  const first = await own.tab<string>();
  await first.put('a', '');
  first.close();
  const add = (step: string) => (value: string) => `${value}${step} `;
  const read = async (options: StoreOptions<string>) => {
    const store = await own.tab<string>(options);
    const value = (await store.get('a'))?.value;
    store.close();
    return value;
  };
  assert.equal(await read({ schemaVersion: '3', migrations: { '': add('none'), '1': add('1'), '2': add('2') } }), 'none 1 2 ');
  assert.equal(await read({ schemaVersion: 'c', migrations: { '': add('none'), a: add('a'), b: add('b') } }), 'none a b ');
  assert.equal(await read({ schemaVersion: '2', migrations: [['', add('none')], ['beta', add('beta')], ['1', add('1')]] }), 'none beta 1 ');
  const unknown: Migrations[] = [{ '': add(''), beta: add(''), '1': add('') }, { beta: add(''), '1': add('') }];
  for (const migrations of unknown) {
    await assert.rejects(own.tab({ schemaVersion: '2', migrations }), TypeError);
  }
  own.close();
});

test('reinstalled with the same key, everything comes back', async () => {
  const identity = Identity.create();
  const send = signedFetch(new Session({ url: server.url, identity }));
  for (let n = 0; n < 5; n++) await set(server.url, send, `r${n}`, String(n));
  for (let i = 0; i < 2; i++) {
    const store = await new Device(identity, server.url, memoryStorage()).tab<number>();
    await when(store, ({ complete }) => complete);
    assert.deepEqual(valuesOf(await store.list()), { r0: 0, r1: 1, r2: 2, r3: 3, r4: 4 });
    store.close();
  }
});

test('a storage of another user is refused', async () => {
  const storage = memoryStorage();
  const own = new Device(Identity.create(), server.url, storage);
  await (await own.tab()).put('a', 1);
  await assert.rejects(new Device(Identity.create(), server.url, storage).tab(), { code: 'STORAGE_CORRUPT' });
  own.close();
});

test('a store that is opened while another identity takes over is neither the one\'s nor the other\'s', async () => {
  const network = new Network();
  const own = device();
  const offline = await own.tab<number>({ fetch: () => Promise.reject(new TypeError('no network')) });
  await offline.put('a', 1);
  offline.close();
  for (const slow of [1, 2]) { // while the first transaction waits, and while a later one does
    const session = new Session({ url: server.url, identity: own.identity });
    let begun = 0;
    let closed = false;
    const storage: Storage = {
      async transact(mode, work) {
        if (++begun === slow) await session.switchTo(Identity.create());
        return own.storage.transact(mode, work);
      },
      close: () => void (closed = true),
    };
    await assert.rejects(own.tab({ fetch: network.fetch, storage, encryption: true }, session), { code: 'IDENTITY_CHANGED' });
    assert.deepEqual([closed, network.sent], [true, []]);
  }
  own.close();
});

test('a store is of the identity that opened it', async () => {
  const network = new Network();
  const own = device();
  const session = new Session({ url: server.url, identity: own.identity });
  const store = await own.tab<number>({ fetch: network.fetch }, session);
  await when(store, ({ complete }) => complete);
  const asked = network.sent.length;
  await session.switchTo(Identity.create());
  const written = store.put('a', 1);
  await written;
  assert.equal((await store.get('a'))?.value, 1);
  assert.equal(network.sent.length, asked);
  own.close();
});
