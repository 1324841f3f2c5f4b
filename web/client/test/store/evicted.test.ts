import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Identity, Session } from '@syncline/client';
import { createSocket } from '@syncline/client/graphql-ws';
import { indexedDBStorage } from '@syncline/client/store';
import type { StoreOptions } from '@syncline/client/store';
import 'fake-indexeddb/auto'; // for IDBKeyRange
import { IDBFactory } from 'fake-indexeddb';
import { Server, until } from 'syncline-testing';
import WebSocket from 'ws';

import { Device, when } from './devices.js';
import { Network } from './network.js';

let server: Server;
before(async () => (server = await Server.start()));
after(() => server.stop());

/** A browser of one user, whose tabs share a network and a database that can be removed. */
function browser() {
  const indexedDB = new IDBFactory();
  const connections: IDBDatabase[] = [];
  const noting = new Proxy(indexedDB, {
    get: (factory, name) =>
      name !== 'open'
        ? Reflect.get(factory, name)
        : (...args: [string, number]) => {
            const request = factory.open(...args);
            request.addEventListener('success', () => connections.push(request.result));
            return request;
          },
  });
  const device = new Device(Identity.create(), server.url);
  const network = new Network();
  return {
    network,
    tab: (live?: StoreOptions<number>['live']) => device.tab<number>({ storage: indexedDBStorage('one', { indexedDB: noting }), fetch: network.fetch, ...(live && { live }) }),
    session: () => new Session({ url: server.url, identity: device.identity }),
    remove: () =>
      new Promise<void>((resolve) => {
        indexedDB.deleteDatabase('one').onsuccess = () => resolve();
      }),
    /** Without a word to the tabs. */
    crash() {
      for (const connection of connections.splice(0)) {
        connection.onversionchange = null;
        connection.close();
      }
    },
    close: () => device.close(),
  };
}

test('a database that is removed under open tabs takes nothing along in silence', async () => {
  const { network, tab, remove, close } = browser();
  const [one, other] = [await tab(), await tab()];
  await one.put('old', 1).synced;
  const seen: string[][] = [];
  other.watch({}, (records) => seen.push(records.map(({ id }) => id)));
  await until(() => seen.at(-1)?.length === 1);
  network.down = true;
  const [asked, later] = [one.put('a', 1), other.put('b', 2)];
  const ended = assert.rejects(asked.synced, { code: 'STORAGE_EVICTED' });
  await Promise.all([asked, later]);
  await until(() => seen.at(-1)?.length === 3);

  await remove();
  await ended;
  await assert.rejects(later.synced, { code: 'STORAGE_EVICTED' });
  for (const store of [one, other]) {
    const { uploaded, error } = await when(store, ({ evicted }) => evicted?.pending === 2);
    assert.deepEqual([uploaded, await store.isUploaded(), error?.code === 'STORAGE_OUTDATED'], [false, false, false]);
  }
  await until(() => seen.at(-1)?.length === 0);
  assert.deepEqual(await one.list(), []);

  network.down = false;
  one.refresh();
  await until(() => seen.at(-1)?.join() === 'old');
  await other.put('c', 3).synced;
  await until(() => seen.at(-1)?.join() === 'c,old');
  const third = await tab();
  for (const store of [one, other, third]) {
    await when(store, ({ pending, evicted, uploaded }) => pending.count === 0 && evicted?.pending === 2 && !uploaded);
  }
  await third.acknowledge();
  for (const store of [one, other, third]) {
    await when(store, ({ evicted, uploaded }) => !evicted && uploaded);
    assert.equal(await store.isUploaded(), true);
  }
  close();
});

test('a database that is gone without a word to its tabs is noticed by the next that is written', async () => {
  const { network, tab, remove, crash, close } = browser();
  const [one, other] = [await tab(), await tab()];
  await one.put('old', 1).synced;
  network.down = true;
  const lost = other.put('a', 1);
  await lost;
  await when(one, ({ pending }) => pending.count === 1);
  crash();
  await remove();
  const kept = one.put('b', 1);
  await kept;
  for (const store of [one, other]) await when(store, ({ evicted }) => evicted?.pending === 1);
  await assert.rejects(lost.synced, { code: 'STORAGE_EVICTED' });
  network.down = false;
  one.refresh();
  await kept.synced;
  for (const store of [one, other]) {
    await until(async () => (await store.list()).map(({ id }) => id).join() === 'b,old');
    assert.equal(store.status.uploaded, false);
  }
  close();
});

test('a database that had nothing the server lacks is filled again by itself, also while changes are told of, and nobody is asked', async () => {
  const { tab, session, remove, close } = browser();
  const live = createSocket(session(), { webSocketImpl: WebSocket });
  const store = await tab(live);
  await store.put('a', 1).synced;
  await when(store, ({ uploaded }) => uploaded);
  const seen: string[][] = [];
  store.watch({}, (records) => seen.push(records.map(({ id }) => id)));
  await until(() => seen.at(-1)?.length === 1);
  await when(store, ({ connection }) => connection === 'live');
  await remove();
  await until(() => seen.some((ids) => ids.length === 0));
  await until(() => seen.at(-1)?.length === 1);
  const { evicted, uploaded } = await when(store, ({ connection }) => connection === 'live');
  assert.deepEqual([evicted, uploaded], [undefined, true]);
  close();
  await live.dispose();
});

test('a loss is acknowledged that the app was told of, and not one since then', async () => {
  const { network, tab, remove, crash, close } = browser();
  const store = await tab();
  await store.put('old', 1).synced;
  network.down = true;
  const lose = async (ids: string[]) => {
    for (const id of ids) await store.put(id, 1);
    crash();
    await remove();
  };
  await lose(['a']);
  await store.list();
  await when(store, ({ evicted }) => evicted?.pending === 1);
  await lose(['b', 'c']);
  await store.acknowledge(); // finds a database of which nothing is known yet
  await when(store, ({ evicted }) => evicted?.pending === 3);
  assert.equal(await store.isUploaded(), false);
  await store.acknowledge();
  await when(store, ({ evicted }) => !evicted);
  close();
});

test('a number of a write that was lost with the database names none of the next, and a loss that nobody was told of is not acknowledged', async () => {
  const { network, tab, remove, crash, close } = browser();
  const store = await tab();
  await when(store, ({ connection }) => connection === 'live');
  const refuse = async (id: string) => {
    network.refusal = { code: 'BAD_USER_INPUT', field: 'input.writes.0.set.data' };
    await assert.rejects(store.put(id, 1).synced, { code: 'BAD_USER_INPUT' });
    return (await store.refused())[0]!.seq;
  };
  const lost = await refuse('a');
  crash();
  await remove();
  await store.acknowledge();
  await store.list();
  await when(store, ({ evicted }) => evicted?.pending === 1);
  await when(store, ({ connection }) => connection === 'live');
  const seq = await refuse('b');
  assert.notEqual(seq, lost);
  await store.drop(lost);
  assert.deepEqual((await store.refused()).map((each) => each.seq), [seq]);
  close();
});
