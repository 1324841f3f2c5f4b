import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { TestContext } from 'node:test';

import { Identity, Session, signedFetch } from '@syncline/client';
import { memoryStorage } from '@syncline/client/store';
import type { Store } from '@syncline/client/store';
import { synclineCollectionOptions } from '@syncline/client/tanstack-db';
import type { CollectionOptions } from '@syncline/client/tanstack-db';
import { createCollection, createLiveQueryCollection, eq } from '@tanstack/db';
import { Server, until } from 'syncline-testing';

import { set } from '../call.js';
import { Device, devices, when } from './devices.js';
import { Network } from './network.js';

let server: Server;
before(async () => (server = await Server.start()));
after(() => server.stop());

interface Note {
  id: string;
  text: string;
  done: boolean;
  tag?: string;
}

const note = (id: string, text = id, done = false): Note => ({ id, text, done });

function notesOf(store: CollectionOptions<Note>['store'], options: Partial<CollectionOptions<Note>> = {}) {
  return createCollection(synclineCollectionOptions({ store, prefix: 'note/', getKey: ({ id }) => id, ...options }));
}

type Notes = ReturnType<typeof notesOf>;
const textsOf = (notes: Pick<Notes, 'values'>) => Object.fromEntries([...notes.values()].map(({ id, text }) => [id, text]));

function devicesOf(t: TestContext, count = 1): Device[] {
  const all = devices(server, count);
  t.after(() => all.forEach((device) => device.close()));
  return all;
}

test('what is inserted, updated and deleted is shown at once, is on disk when settled, and reaches another device', async (t) => {
  const [phone, desk] = devicesOf(t, 2) as [Device, Device];
  const here = await phone.tab<Note>();
  const notes = notesOf(here);
  const open = createLiveQueryCollection((q) => q.from({ note: notes }).where(({ note }) => eq(note.done, false)).orderBy(({ note }) => note.text, 'desc'));
  await open.preload();
  assert.deepEqual(open.toArray, []);

  const inserted = notes.insert([note('1', 'milk'), note('2', 'bread'), note('3', 'salt')]);
  assert.deepEqual(open.toArray.map(({ text }) => text), ['salt', 'milk', 'bread'], 'before anything is awaited');
  await inserted.isPersisted.promise;
  assert.deepEqual((await here.list({ prefix: 'note/' })).map(({ id, value }) => [id, value]), [['note/1', note('1', 'milk')], ['note/2', note('2', 'bread')], ['note/3', note('3', 'salt')]]);
  const updated = notes.update('1', (draft) => void (draft.done = true));
  const deleted = notes.delete('2');
  assert.deepEqual(open.toArray.map(({ text }) => text), ['salt']);
  await Promise.all([updated.isPersisted.promise, deleted.isPersisted.promise]);
  await when(here, ({ uploaded }) => uploaded);
  assert.deepEqual(open.toArray.map(({ text }) => text), ['salt']);
  assert.deepEqual(textsOf(notes), { 1: 'milk', 3: 'salt' });

  await notes.insert({ ...notes.get('1')!, id: '4' }).isPersisted.promise; // what TanStack DB adds to an item is not kept
  assert.deepEqual((await here.get('note/4'))?.value, note('4', 'milk', true));
  await notes.delete('4').isPersisted.promise;
  await when(here, ({ uploaded }) => uploaded);

  const there = notesOf(desk.tab<Note>());
  await there.preload(); // what is on the device, which may be nothing yet
  await until(() => there.size === 2);
  assert.deepEqual([there.get('1')?.done, there.get('3')?.text], [true, 'salt']);
});

test('what other tabs and devices do is shown, of the own records only', async (t) => {
  const [phone, desk] = devicesOf(t, 2) as [Device, Device];
  const [here, beside, there] = [await phone.tab<Note>(), await phone.tab<Note>(), await desk.tab<Note>()];
  const notes = notesOf(here);
  const all = createCollection(synclineCollectionOptions({ store: here, getKey: ({ id }: Note) => id }));
  await Promise.all([notes.preload(), all.preload()]);
  await beside.batch((batch) => {
    batch.put('note/1', note('1', 'milk'));
    batch.put('other', note('other'));
  });
  await until(() => notes.size === 1 && all.size === 1); // 'note/1' is not called so there
  await there.put('note/2', { ...note('2', 'bread'), tag: 'shop' }).synced;
  here.refresh();
  await until(() => notes.get('2')?.tag === 'shop');
  await beside.delete('note/1');
  await there.put('note/2', note('2', 'rolls')).synced;
  here.refresh();
  await until(() => notes.size === 1 && notes.get('2')?.text === 'rolls');
  assert.equal(notes.get('2')!.tag, undefined, 'a field that was removed is gone');
  assert.deepEqual(textsOf(all), { other: 'other' });
});

test('fields that were changed apart are merged, in tabs as on devices', async (t) => {
  const [phone, desk] = devicesOf(t, 2) as [Device, Device];
  const network = new Network();
  const [here, there] = [await phone.tab<Note>({ fetch: network.fetch }), await desk.tab<Note>()];
  const notes = [notesOf(here), notesOf(there)];
  await Promise.all(notes.map((each) => each.preload()));
  notes[0]!.insert(note('1', 'milk'));
  await until(() => {
    there.refresh();
    return notes[1]!.has('1');
  });
  await when(here, ({ uploaded }) => uploaded);
  network.down = true;
  await notes[0]!.update('1', (draft) => void (draft.text = 'bread')).isPersisted.promise;
  await notes[1]!.update('1', (draft) => void (draft.done = true)).isPersisted.promise;
  await when(there, ({ uploaded }) => uploaded);
  network.down = false;
  here.refresh();
  await until(() => {
    there.refresh();
    return notes.every((each) => each.get('1')?.text === 'bread' && each.get('1')?.done === true);
  });

  // The tab beside has kept its change before this one's is: nobody had told of it.
  const beside = await phone.tab<Note>({ tabs: { channel: undefined, locks: undefined } });
  const kept = beside.update('note/1', (present) => ({ ...present!, text: 'rolls' }));
  await notes[0]!.update('1', (draft) => void (draft.done = false)).isPersisted.promise;
  await kept;
  assert.deepEqual((await here.get('note/1'))?.value, note('1', 'rolls', false));
  await until(() => notes[0]!.get('1')?.text === 'rolls');
});

test('what the server refuses stays shown, as the store has it, until the app drops it', async (t) => {
  const network = new Network();
  const [device] = devicesOf(t) as [Device];
  const store = await device.tab<Note>({ fetch: network.fetch });
  const notes = notesOf(store);
  await notes.preload();
  await when(store, ({ complete, connection }) => complete && connection === 'live');
  const settled = notes.insert(note('1', 'x'.repeat(70_000))).isPersisted.promise; // more than a record may have
  await settled;
  await when(store, ({ refused }) => refused === 1);
  assert.ok(notes.has('1'));
  const [aside] = await store.refused();
  assert.equal(aside?.code, 'BAD_USER_INPUT');
  await store.drop(aside.seq);
  await until(() => !notes.has('1'));
});

test('what cannot be kept is taken back: all of it', async (t) => {
  const below = memoryStorage();
  const failure = new Error('no space');
  let full = false;
  const device = new Device(Identity.create(), server.url, { ...below, transact: (mode, work) => (full && mode === 'durable' ? Promise.reject(failure) : below.transact(mode, work)) });
  t.after(() => device.close());
  const store = await device.tab<Note>();
  const notes = notesOf(store);
  await notes.insert([note('1', 'milk'), note('2', 'bread')]).isPersisted.promise;
  full = true;
  const failed = [notes.insert(note('3')), notes.update('1', (draft) => void (draft.text = 'rolls')), notes.delete('2')];
  assert.deepEqual(textsOf(notes), { 1: 'rolls', 3: '3' });
  for (const each of failed) await assert.rejects(each.isPersisted.promise, failure);
  assert.deepEqual(textsOf(notes), { 1: 'milk', 2: 'bread' });
  full = false;

  const many = Array.from({ length: 101 }, (_, n) => note(`many ${n}`));
  await assert.rejects(notes.insert(many).isPersisted.promise, { code: 'BAD_USER_INPUT' });
  assert.equal(notes.size, 2);
  assert.equal((await store.list()).length, 2);
});

test('nothing is shown that was overtaken, while many changes are under way', async (t) => {
  const [device] = devicesOf(t) as [Device];
  const [here, beside] = [await device.tab<Note>(), await device.tab<Note>()];
  const notes = notesOf(here);
  await notes.insert(note('1', '0')).isPersisted.promise;
  const seen: number[] = [];
  notes.subscribeChanges((changes) => changes.forEach(({ type, key, value }) => key === '1' && seen.push(type === 'delete' ? -1 : Number(value.text))));
  const last = 100;
  const kept: Promise<unknown>[] = [];
  for (let n = 1; n <= last; n++) {
    kept.push(notes.update('1', (draft) => void (draft.text = String(n))).isPersisted.promise);
    if (n % 3 === 0) kept.push(beside.put(`note/other ${n}`, note(`other ${n}`)));
    if (n % 10 === 0) await kept.at(-1);
  }
  await Promise.all(kept);
  await when(here, ({ uploaded }) => uploaded);
  assert.deepEqual(seen, seen.toSorted((a, b) => a - b));
  assert.deepEqual([...new Set(seen)], Array.from({ length: last }, (_, n) => n + 1));
  assert.equal(notes.get('1')?.text, String(last));
});

test('what was written stays shown when it is settled, also while a change before it is not known of here', async (t) => {
  const [device] = devicesOf(t) as [Device];
  const here = await device.tab<Note>();
  const notes = notesOf(here);
  await notes.insert(note('1', 'milk')).isPersisted.promise;
  const mute = await device.tab<Note>({ tabs: { channel: undefined, locks: undefined } }); // as one that ends before it tells the others
  const seen: string[] = [];
  notes.subscribeChanges((changes) => changes.forEach(({ type, key, value }) => seen.push(`${type} ${key} ${value.text}`)));
  for (let n = 0; n < 3; n++) {
    await mute.put('other', note(`other ${n}`));
    await Promise.all([notes.insert(note(`new ${n}`)), notes.update('1', (draft) => void (draft.text = `milk ${n}`))].map(({ isPersisted }) => isPersisted.promise));
    assert.deepEqual([notes.has(`new ${n}`), notes.get('1')?.text], [true, `milk ${n}`]);
  }
  assert.deepEqual(seen.filter((each) => each.startsWith('delete') || each.endsWith(' milk')), []);
  const other = notesOf(here); // is shown what is there, while something is written
  const loading = other.preload();
  await other.insert(note('early')).isPersisted.promise;
  assert.ok(other.has('early'));
  await loading;
  const closed = notes.insert(note('last')).isPersisted.promise;
  here.close();
  await closed.catch(() => {}); // ends
});

test('a record that is no item is left out, and told of', async (t) => {
  const [device] = devicesOf(t) as [Device];
  const store = (await device.tab()) as Store<any>;
  const send = signedFetch(new Session({ url: server.url, identity: device.identity }));
  await set(server.url, send, 'note/bad', 'not JSON');
  const told: string[] = [];
  const notes = notesOf(store, { getKey: (value) => (value as Partial<Note>).id!.trim(), onLeftOut: ({ id, problem }) => void told.push(`${id} ${problem?.code}`) });
  await store.batch((batch) => {
    batch.put('note/1', note('1', 'milk'));
    batch.put('note/2', note('3')); // is called otherwise
    batch.put('note/4', { text: 'none' }); // for which getKey throws
    batch.put('note/5', null);
  });
  await notes.preload();
  store.refresh();
  await until(() => told.includes('note/bad UNREADABLE'));
  assert.deepEqual([...notes.keys()], ['1']);
  assert.deepEqual(told.slice(0, 3), ['note/2 undefined', 'note/4 undefined', 'note/5 undefined']);
  await store.put('note/1', 5); // is an item no more
  await until(() => notes.size === 0);
  await store.put('note/4', note('4'));
  await until(() => notes.has('4'));
});

test('many records are told one by one, however many there are', async (t) => {
  const [device] = devicesOf(t) as [Device];
  const store = await device.tab<Note>({ fetch: () => Promise.reject(new TypeError('no network')) });
  const count = 10_000;
  for (let n = 0; n < count; n += 100) {
    await store.batch((batch) => Array.from({ length: 100 }, (_, i) => batch.put(`note/${n + i}`, note(String(n + i)))));
  }
  let asked = 0;
  const getKey = ({ id }: Note) => {
    asked++;
    return id;
  };
  const notes = notesOf(store, { getKey });
  await notes.preload();
  assert.equal(notes.size, count);
  const first = asked;
  assert.ok(first <= 4 * count, `${first} for ${count} records`);
  let events = 0;
  notes.subscribeChanges((changes) => void (events += changes.length));
  for (let n = 0; n < 100; n++) await notes.update(String(n), (draft) => void (draft.done = true)).isPersisted.promise;
  await store.delete('note/7');
  assert.equal(notes.size, count - 1);
  assert.ok(asked - first < 100 * 20, `${asked - first} for 100 changes`);
  assert.ok(events <= 3 * 101, `${events} events`);
});

test('a collection that is cleaned up hears of nothing, and shows everything when it is used again', async (t) => {
  const [device] = devicesOf(t) as [Device];
  const store = await device.tab<Note>();
  await store.put('note/1', note('1', 'milk'));
  let asked = 0;
  const notes = notesOf(store, { getKey: ({ id }) => (asked++, id) });
  await notes.preload();
  await notes.cleanup();
  const before = asked;
  await store.put('note/2', note('2', 'bread'));
  assert.equal(asked, before);
  await notes.preload();
  assert.deepEqual(textsOf(notes), { 1: 'milk', 2: 'bread' });
  await store.delete('note/1');
  assert.deepEqual(textsOf(notes), { 2: 'bread' });
});

test('a collection waits for its store, and says why there is none', async (t) => {
  const [device] = devicesOf(t) as [Device];
  const opening = device.tab<Note>();
  const notes = notesOf(opening);
  const inserted = notes.insert(note('1', 'milk'));
  assert.ok(notes.has('1'));
  await inserted.isPersisted.promise;
  assert.equal((await (await opening).get('note/1'))?.value?.text, 'milk');

  const failure = new Error('blocked');
  const none = notesOf(Promise.reject(failure));
  await assert.rejects(none.preload());
  assert.equal(none.status, 'error');

  const broken = new Device(device.identity, server.url, memoryStorage());
  const store = await broken.tab<Note>();
  store.watch = (_watched, _listener, failed) => (queueMicrotask(() => failed!(failure)), () => {});
  const unread = notesOf(store);
  await assert.rejects(unread.preload());
  assert.equal(unread.status, 'error');
  broken.close();
});
