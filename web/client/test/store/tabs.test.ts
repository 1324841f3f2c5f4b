import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Identity, Session } from '@syncline/client';
import { createSocket } from '@syncline/client/graphql-ws';
import { memoryStorage } from '@syncline/client/store';
import type { Locks, Storage, Store } from '@syncline/client/store';
import { Server, until } from 'syncline-testing';
import WebSocket from 'ws';

import { Device, devices, when } from './devices.js';
import { Network } from './network.js';

let server: Server;
before(async () => (server = await Server.start()));
after(() => server.stop());

/** A device with some tabs, each with a network of its own. */
async function tabs(count: number, options: Parameters<Device['tab']>[0] = {}) {
  const device = new Device(Identity.create(), server.url);
  const networks = Array.from({ length: count }, () => new Network());
  const stores: Store<unknown>[] = [];
  for (const { fetch } of networks) stores.push(await device.tab({ ...options, fetch }));
  await Promise.all(stores.map((store) => when(store, ({ connection }) => connection === 'live')));
  return { device, networks, stores };
}

test('one tab of six speaks with the server, and all know how things are', async () => {
  const { device, networks, stores } = await tabs(6);
  await Promise.all(stores.map((store, n) => store.put(`r${n}`, n).synced));
  for (const store of stores) {
    await when(store, ({ uploaded }) => uploaded);
    assert.equal((await store.list()).length, 6);
  }
  assert.deepEqual(networks.map(({ sent }) => sent.length > 0), [true, false, false, false, false, false]);
  networks[0]!.down = true;
  stores[3]!.refresh();
  await Promise.all(stores.map((store) => when(store, ({ connection, error }) => connection === 'offline' && error?.code === 'UNREACHABLE')));
  device.close();
});

test('a leader that is closed is replaced, and what it was sending is stored once', async () => {
  const { device, networks, stores } = await tabs(2);
  networks[0]!.lost = 1;
  const written = stores[1]!.put('a', 1);
  await until(() => networks[0]!.down);
  stores[0]!.close();
  await written.synced;
  assert.deepEqual(networks.map(({ writes }) => writes.map(({ mutationId }) => mutationId)), [[networks[1]!.writes[0]!.mutationId], [networks[0]!.writes[0]!.mutationId]]);
  assert.equal((await stores[1]!.get('a'))?.revision, 1);
  device.close();
});

test('a leader that does not answer is replaced by a tab that is seen, and does no harm when it wakes', async () => {
  const device = new Device(Identity.create(), server.url);
  let frozen = false;
  const held: (() => void)[] = [];
  const network = new Network();
  const channel = (name: string) => {
    const own = device.channel(name);
    const muted = { ...own, postMessage: (message: unknown) => void (frozen ? held.push(() => own.postMessage(message)) : own.postMessage(message)) };
    Object.defineProperty(muted, 'onmessage', { set: (hear) => void (own.onmessage = (event) => void (frozen ? held.push(() => hear(event)) : hear(event))) });
    return muted;
  };
  const stuck: typeof fetch = async (...args) => {
    const response = await network.fetch(...args);
    if (frozen) await new Promise<void>((resolve) => held.push(resolve));
    return response;
  };
  const leader = await device.tab({ fetch: stuck, tabs: { channel } });
  await when(leader, ({ connection }) => connection === 'live');
  const follower = await device.tab();
  frozen = true;
  const own = leader.put('a', 1); // is on its way when it freezes
  await own;
  await follower.put('b', 1).synced;
  await until(async () => (await follower.get('a'))?.pending === false);
  frozen = false;
  for (const release of held) release();
  await own.synced;
  await follower.put('c', 1).synced;
  assert.deepEqual((await leader.list()).map(({ id, pending }) => [id, pending]), [['a', false], ['b', false], ['c', false]]);
  assert.equal(Math.max(...(await follower.list()).map(({ revision }) => revision)), 3); // none was written twice
  device.close();
});

test('a tab that is seen takes over from one that is hidden', async () => {
  const device = new Device(Identity.create(), server.url);
  const networks = [new Network(), new Network()];
  let hidden = false;
  const first = await device.tab({ fetch: networks[0]!.fetch, tabs: { hidden: () => hidden } });
  await when(first, ({ connection }) => connection === 'live');
  hidden = true;
  const second = await device.tab({ fetch: networks[1]!.fetch });
  await until(() => networks[1]!.sent.length > 0);
  await first.put('a', 1).synced;
  assert.deepEqual(networks.map(({ writes }) => writes.length), [0, 1]);
  await second.put('b', 1).synced;
  device.close();
});

test('without Web Locks each tab syncs by itself, and nothing is stored twice', async () => {
  const { device, networks, stores } = await tabs(3, { tabs: { locks: undefined } });
  const writes = stores.flatMap((store, n) => Array.from({ length: 10 }, (_, i) => store.put(`${n}/${i}`, i).synced));
  await Promise.all(writes);
  await Promise.all(stores.map((store) => when(store, ({ uploaded }) => uploaded)));
  assert.ok(networks.filter(({ sent }) => sent.length > 0).length === 3);
  const revisions = (await stores[0]!.list()).map(({ revision }) => revision).sort((a, b) => a - b);
  assert.deepEqual(revisions, Array.from({ length: 30 }, (_, i) => i + 1));
  device.close();
});

test('a tab that leads looks for what a killed one wrote and did not tell, also while it hears of all changes elsewhere', async () => {
  const device = new Device(Identity.create(), server.url);
  const session = new Session({ url: server.url, identity: device.identity });
  const live = createSocket(session, { webSocketImpl: WebSocket });
  const leader = await device.tab<number>({ live, pollSeconds: 0.05 }, session);
  await when(leader, ({ connection }) => connection === 'live');
  const killed = await device.tab<number>({ tabs: { locks: undefined, channel: undefined }, fetch: () => Promise.reject(new TypeError('no network')) });
  await killed.put('a', 1);
  await until(async () => (await killed.get('a'))?.pending === false);
  await when(leader, ({ uploaded }) => uploaded);
  device.close();
  await live.dispose();
});

test('what a tab writes as it is closed is sent by the one that leads', async () => {
  const { device, stores: [leader, closing] } = await tabs(2);
  const written = closing!.put('a', 1);
  closing!.close();
  await written;
  await until(async () => (await leader!.get('a'))?.pending === false);
  device.close();
});

test('where the browser refuses locks, as it does to some frames, a tab syncs by itself and says why', async () => {
  const device = new Device(Identity.create(), server.url);
  let open = () => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  const late: typeof fetch = async (...args) => {
    await opened;
    return fetch(...args);
  };
  let asked = 0;
  const refusing: Locks = {
    async request() {
      if (++asked > 100) await new Promise(() => {}); // or nothing else would ever run
      throw new DOMException('not in this frame', 'SecurityError');
    },
  };
  const store = await device.tab<number>({ fetch: late, tabs: { locks: refusing } });
  await when(store, ({ error }) => !!error?.message.includes('not in this frame'));
  open();
  await store.put('a', 1).synced;
  assert.equal(asked, 1);
  device.close();
});

test('tabs that keep their data in memory share nothing, and each syncs by itself', async () => {
  const device = new Device(Identity.create(), server.url);
  const [one, other] = [await device.tab<number>({ storage: memoryStorage() }), await device.tab<number>({ storage: memoryStorage() })];
  const writes = [one.put('a', 1).synced, other.put('b', 2).synced];
  await Promise.all(writes);
  for (const store of [one, other]) {
    store.refresh();
    await until(async () => (await store.list()).map(({ id }) => id).join() === 'a,b');
    assert.equal(store.status.uploaded, true);
  }
  device.close();
});

test('without a channel a tab still finds what others wrote, when it is asked to', async () => {
  const [own] = devices(server, 1);
  const alone = { locks: undefined, channel: undefined };
  const [one, other] = [await own!.tab<number>({ tabs: alone }), await own!.tab<number>({ tabs: alone })];
  await one.put('a', 1);
  assert.equal((await other.get('a'))?.value, 1);
  own!.close();
});

test('tabs of a release that did not say how far they are get their answers', async () => {
  const device = new Device(Identity.create(), server.url);
  const names: string[] = [];
  const store = await device.tab<number>({ tabs: { channel: (name) => (names.push(name), device.channel(name)) } });
  await when(store, ({ connection }) => connection === 'live');
  const older = device.channel(names[0]!);
  const answers: unknown[] = [];
  older.onmessage = ({ data }) => void answers.push((data as { kind: string }).kind);
  older.postMessage({ kind: 'here', hidden: false });
  older.postMessage({ kind: 'ask' });
  await until(() => answers.includes('here'));
  await store.put('a', 1).synced;
  device.close();
});

test('a tab that cannot read what others wrote tries again less and less often, until it can', async () => {
  const device = new Device(Identity.create(), server.url);
  const writing = await device.tab<number>();
  await when(writing, ({ connection }) => connection === 'live');
  const tries: number[] = [];
  let isBroken = false;
  const storage: Storage = {
    ...device.storage,
    transact(mode, work) {
      if (!isBroken) return device.storage.transact(mode, work);
      tries.push(performance.now());
      return Promise.reject(new Error('it cannot be read'));
    },
  };
  const deaf = (name: string) => {
    const own = device.channel(name);
    const muted = { ...own };
    // What was changed is lost on the way, and how far the others are is not.
    Object.defineProperty(muted, 'onmessage', { set: (hear) => void (own.onmessage = (event) => void ((event.data as { kind: string }).kind === 'told' || hear(event))) });
    return muted;
  };
  const reading = await device.tab<number>({ storage, tabs: { channel: deaf } });
  isBroken = true;
  await writing.put('a', 1).synced;
  await until(() => tries.length >= 4);
  const [before, last] = tries.slice(2, 4);
  assert.ok(last! - before! > 1500, `${last! - before!} ms`);
  assert.match(reading.status.error!.message, /cannot be read/);
  isBroken = false;
  await until(async () => (await reading.list()).length === 1 && reading.status.pending.count === 0);
  device.close();
});
