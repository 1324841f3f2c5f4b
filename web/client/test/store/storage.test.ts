import assert from 'node:assert/strict';
import { test } from 'node:test';

import { SynclineError } from '@syncline/client';
import { indexedDBStorage, memoryStorage, prefixed } from '@syncline/client/store';
import 'fake-indexeddb/auto'; // for IDBKeyRange
import { IDBFactory } from 'fake-indexeddb';

import { storageSuite } from './storage-suite.js';

for (const [name, check] of Object.entries(storageSuite)) {
  test(`memory: ${name}`, async () => {
    const storage = memoryStorage();
    await check(() => storage);
  });
  test(`IndexedDB in Node.js: ${name}`, async () => {
    const indexedDB = new IDBFactory();
    await check(() => indexedDBStorage('suite', { indexedDB }));
  });
}

test('the keys with a prefix are those that begin with it', () => {
  const { below } = prefixed('a');
  assert.ok('a\uffff\uffff' < String(below) && !('b' < String(below)));
  assert.deepEqual(prefixed('a\uffff'), { from: 'a\uffff', below: 'b' });
  assert.deepEqual(prefixed('\uffff'), { from: '\uffff' });
  assert.deepEqual(prefixed(''), { from: '' });
});

test('a tab with newer code has its way, and the older one is told to reload', async () => {
  const indexedDB = new IDBFactory();
  const older = indexedDBStorage('one', { indexedDB });
  await older.transact('write', async (t) => t.put('records', 'a', 1));
  const newer = indexedDBStorage('one', { indexedDB, version: 1000 });
  assert.equal(await newer.transact('read', (t) => t.get('records', 'a')), 1);
  for (const tab of [older, indexedDBStorage('one', { indexedDB })]) {
    await assert.rejects(tab.transact('read', (t) => t.get('records', 'a')), { code: 'STORAGE_OUTDATED' });
  }
});

test('a database that is removed is no newer one: its stores begin again', async () => {
  const indexedDB = new IDBFactory();
  const storage = indexedDBStorage('one', { indexedDB });
  await storage.transact('write', async (t) => t.put('records', 'a', 1));
  let told = 0;
  storage.onClose = () => told++;
  await new Promise((resolve) => (indexedDB.deleteDatabase('one').onsuccess = resolve));
  assert.deepEqual(await storage.transact('read', (t) => t.list('records')), []);
  assert.equal(told, 1);
});

test('a tab that does not let go of the database is told of, and waited for', async () => {
  const indexedDB = new IDBFactory();
  const stubborn = await new Promise<IDBDatabase>((resolve) => {
    const request = indexedDB.open('one', 1);
    request.onsuccess = () => resolve(request.result);
  });
  let tell = () => {};
  const told = new Promise<void>((resolve) => (tell = resolve));
  const opened = indexedDBStorage('one', { indexedDB, version: 1000, onBlocked: () => tell() }).transact('read', (t) => t.list('records'));
  await told;
  stubborn.close();
  assert.deepEqual(await opened, []);
});

test('a connection that the browser closed is made again', async () => {
  const connections: IDBDatabase[] = [];
  const indexedDB = new Proxy(new IDBFactory(), {
    get: (factory, name) =>
      name !== 'open'
        ? Reflect.get(factory, name)
        : (...args: [string, number]) => {
            const request = factory.open(...args);
            request.addEventListener('success', () => connections.push(request.result));
            return request;
          },
  });
  const storage = indexedDBStorage('one', { indexedDB });
  await storage.transact('write', async (t) => t.put('records', 'a', 1));
  connections[0]!.close(); // without an event, as Safari does
  assert.equal(await storage.transact('read', (t) => t.get('records', 'a')), 1);
  assert.equal(connections.length, 2);
});

test('what the browser refuses is told by a code', async () => {
  const storage = (indexedDB: unknown) => indexedDBStorage('one', { indexedDB: indexedDB as IDBFactory });
  const refusing = { open: () => { throw new DOMException('no', 'SecurityError'); } };
  await assert.rejects(storage(refusing).transact('read', (t) => t.list('meta')), (error) => error instanceof SynclineError && error.code === 'STORAGE_BLOCKED');
  const closed = storage(new IDBFactory());
  closed.close();
  await assert.rejects(closed.transact('read', (t) => t.list('meta')), { code: 'STORAGE_BLOCKED' });
});
