import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Identity, Session, signedFetch } from '@syncline/client';
import { memoryStorage } from '@syncline/client/store';
import type { Codec, Storage } from '@syncline/client/store';
import { Server, until } from 'syncline-testing';

import { call } from '../call.js';
import { Device, devices, when } from './devices.js';
import { Network } from './network.js';

let server: Server;
let small: Server;
before(async () => {
  [server, small] = await Promise.all([Server.start(), Server.start({ QUOTA_RECORDS: '2' })]);
});
after(() => Promise.all([server.stop(), small.stop()]));

const head = async (identity: Identity, url = server.url) =>
  (await call<{ viewer: { head: number } }>(url, signedFetch(new Session({ url, identity })), '{ viewer { head } }')).viewer.head;

/** What is waited for, and how to let it happen. */
function gate() {
  let resolve = () => {};
  const promise = new Promise<void>((open) => (resolve = open));
  return { promise, resolve };
}

/** Whether a request is one that writes. */
const isWrite = (init: RequestInit | undefined) => new TextDecoder().decode(init!.body as Uint8Array).includes('writeRecords');

/** A device whose store was complete and is offline now. */
async function offline(url = server.url) {
  const network = new Network();
  const device = new Device(Identity.create(), url);
  const store = await device.tab<unknown>({ fetch: network.fetch });
  await when(store, ({ connection }) => connection === 'live');
  network.down = true;
  store.refresh();
  await when(store, ({ connection }) => connection === 'offline');
  const online = () => {
    network.down = false;
    store.refresh();
  };
  return { network, device, store, online };
}

test('writes are sent in order and in batches, each record once', async () => {
  const { network, store, online, device } = await offline();
  assert.equal(store.status.error?.code, 'UNREACHABLE');
  for (let n = 0; n < 150; n++) await store.put(`r${String(n).padStart(3, '0')}`, n);
  await store.put('r000', 'newer');
  await store.batch((batch) => ['z1', 'r001'].forEach((id) => batch.put(id, 'together')));
  assert.equal(store.status.pending.count, 151);
  assert.ok(store.status.pending.bytes > 151);
  assert.equal(await store.isUploaded(), false);
  online();
  await when(store, ({ uploaded, connection }) => uploaded && connection === 'live');
  assert.deepEqual(store.status.pending, { count: 0, bytes: 0 });
  assert.equal(store.status.error, undefined);
  const batches = network.batches;
  assert.deepEqual(batches.flat(), [...Array.from({ length: 150 }, (_, n) => `r${String(n).padStart(3, '0')}`), 'z1', 'r001']);
  assert.deepEqual(batches.map(({ length }) => length), [100, 52]);
  device.close();
});

test('a later write takes the place of one that waits; what was never sent and is deleted leaves nothing', async () => {
  const { network, store, online, device } = await offline();
  await store.put('a', 0);
  await store.put('b', 0);
  const first = store.put('c', 0);
  for (let n = 1; n <= 50; n++) await store.put('a', n);
  await store.delete('c');
  await store.delete('b');
  await store.put('b', 1);
  await first.synced; // there is nothing left of it to wait for
  assert.equal(store.status.pending.count, 2);
  online();
  await when(store, ({ uploaded }) => uploaded);
  assert.deepEqual(network.batches, [['a', 'b']]);
  assert.equal(await head(device.identity), 2);
  device.close();
});

test('a write whose answer was lost is sent again under its mutation id, also by the next start', async () => {
  const { network, store, online, device } = await offline();
  const written = store.put('a', 1);
  await written;
  network.lost = 1;
  online();
  await until(() => network.writes.length === 1 && network.down);
  await store.put('a', 2); // waits behind what may have been stored
  await store.put('b', 1);
  store.close();
  const later = new Network();
  const again = await device.tab<unknown>({ fetch: later.fetch });
  await when(again, ({ uploaded }) => uploaded);
  assert.deepEqual(later.batches, [['a'], ['a', 'b']]);
  assert.equal(later.writes[0]!.mutationId, network.writes[0]!.mutationId);
  assert.equal(await head(device.identity), 3); // a, a, b: none twice
  assert.equal((await again.get('a'))?.value, 2);
  device.close();
});

test('what is refused for good is set aside with its reason, and holds up nothing', async () => {
  const { network, store, online, device } = await offline();
  await store.put('before', 1);
  const large = store.put('large', 'x'.repeat(70_000));
  const group = store.batch((batch) => ['g1', 'g2'].forEach((id, n) => batch.put(id, n ? 'y'.repeat(70_000) : 1)));
  await store.put('behind', 1);
  online();
  await assert.rejects(large.synced, { code: 'BAD_USER_INPUT' });
  await assert.rejects(group.synced, { code: 'BAD_USER_INPUT' });
  await when(store, ({ pending }) => pending.count === 0);
  assert.deepEqual([store.status.refused, store.status.uploaded, await store.isUploaded()], [2, false, false]);
  assert.equal(network.batches.at(-1)!.join(), 'before,behind');
  const aside = await store.refused();
  assert.deepEqual(aside.map(({ code, writes }) => [code, writes.map(({ id }) => id)]), [['BAD_USER_INPUT', ['large']], ['BAD_USER_INPUT', ['g1', 'g2']]]);
  const shown = await store.get('large'); // a refusal takes nothing off the screen
  assert.deepEqual([String(shown?.value).length, shown?.refused, shown?.pending], [70_000, true, false]);

  await store.retry(aside[0]!.seq); // is refused again
  await when(store, ({ refused, pending }) => refused === 2 && pending.count === 0);
  await store.put('large', 'small').synced; // edited
  await store.put('g2', 'small').synced; // takes the rest of its batch along
  assert.equal((await store.get('g1'))?.refused, false);
  assert.equal(await store.isUploaded(), true);
  await assert.rejects(store.put('gone', 'x'.repeat(70_000)).synced, { code: 'BAD_USER_INPUT' });
  await store.drop((await store.refused())[0]!.seq);
  assert.equal(await store.get('gone'), undefined);
  assert.equal(await store.isUploaded(), true);
  await store.drop(12345);
  await store.retry(12345);
  device.close();
});

test('what was refused, and is taken when it is sent again or edited, is synced for who asks then', async () => {
  const [device] = devices(server, 1);
  let left = 2;
  const refusing: typeof fetch = async (url, init) => {
    if (!isWrite(init) || left-- <= 0) return fetch(url, init);
    return Response.json({ data: null, errors: [{ message: 'refused', extensions: { code: 'BAD_USER_INPUT' } }] });
  };
  const store = await device!.tab<number>({ fetch: refusing });
  const retried = store.put('a', 1);
  await when(store, ({ refused }) => refused === 1);
  const edited = store.put('b', 1);
  await when(store, ({ refused }) => refused === 2);
  await store.retry((await store.refused())[0]!.seq);
  await store.put('b', 2);
  await when(store, ({ uploaded }) => uploaded);
  await Promise.all([retried.synced, edited.synced]);
  device!.close();
});

test('what is set aside is listed also where one of its values cannot be read', async () => {
  const { network, store, online, device } = await offline();
  await store.put('a', 'x'.repeat(70_000));
  await store.put('b', 'y'.repeat(70_000));
  online();
  await when(store, ({ refused }) => refused === 2);
  const picky: Codec<string> = {
    encode: (value) => new TextEncoder().encode(value),
    decode(bytes) {
      if (bytes[1] === 120) throw new Error('no x');
      return 'y';
    },
  };
  const other = await device.tab<string>({ codec: picky, fetch: network.fetch });
  assert.deepEqual((await other.refused()).map(({ writes }) => writes.map(({ id, value, problem }) => [id, value, problem?.code])), [[['a', undefined, 'UNREADABLE']], [['b', 'y', undefined]]]);
  device.close();
});

test('over quota, what does not fit is set aside, and goes once there is room', async () => {
  const { store, online, device } = await offline(small.url);
  for (const id of ['a', 'b', 'c']) await store.put(id, id);
  online();
  await when(store, ({ pending }) => pending.count === 0);
  const [aside] = await store.refused();
  assert.deepEqual([aside?.code, aside?.writes], ['QUOTA_EXCEEDED', [{ id: 'c', value: 'c' }]]);
  await store.delete('a').synced;
  await store.retry(aside!.seq);
  await when(store, ({ uploaded }) => uploaded);
  assert.equal((await store.get('c'))?.refused, false);
  device.close();
});

test('a copy of the database does no harm', async () => {
  const { network, store, online, device } = await offline();
  await store.put('a', 1);
  await store.put('b', 1);
  const copy = memoryStorage();
  await device.storage.transact('read', async (from) => {
    const tables = ['records', 'writes', 'meta'] as const;
    const all = await Promise.all(tables.map((table) => from.list(table)));
    await copy.transact('write', async (to) => {
      for (const row of all[0]!) to.put('records', (row as { id: string }).id, row);
      for (const unit of all[1]!) to.put('writes', (unit as { seq: number }).seq, unit);
      to.put('meta', 'meta', all[2]![0]);
    });
  });
  await store.put('c', 1); // so that the copy's first batch is another one under the same mutation id
  online();
  await when(store, ({ uploaded }) => uploaded);
  const clone = new Device(device.identity, server.url, copy);
  const second = await clone.tab<unknown>();
  await when(second, ({ uploaded, connection }) => uploaded && connection === 'live');
  assert.deepEqual((await second.list()).map(({ id }) => id), ['a', 'b', 'c']);
  assert.equal(await head(device.identity), 3);
  assert.equal(network.writes.length, 1);
  for (const each of [device, clone]) each.close();
});

test('what is sent is on disk before, and a late answer is not taken for that of another batch', async () => {
  const { device, store } = await offline();
  store.close();
  const modes = new Map<string, string>(); // by claim, in which it was noted
  const storage: Storage = {
    shared: true,
    transact: (mode, work) =>
      device.storage.transact(mode, (transaction) =>
        work({
          ...transaction,
          put(table, key, value) {
            const claim = JSON.stringify((value as { claims?: unknown[] }).claims?.[0]);
            if (claim && !modes.has(claim)) modes.set(claim, mode);
            transaction.put(table, key, value);
          },
        }),
      ),
    close() {},
  };
  const [reached, sent, answered, smaller, over] = [gate(), gate(), gate(), gate(), gate()];
  const alone = { storage, tabs: { locks: undefined } };
  let down = true;
  const slow: typeof fetch = async (url, init) => {
    if (down) throw new TypeError('no network');
    if (!isWrite(init)) return fetch(url, init);
    await reached.promise;
    const response = await fetch(url, init);
    const text = await response.text();
    sent.resolve();
    await answered.promise;
    return new Response(text, response);
  };
  let tries = 0;
  const refused: typeof fetch = async (url, init) => {
    if (down || !isWrite(init)) return down ? Promise.reject(new TypeError('no network')) : fetch(url, init);
    if (++tries === 1) {
      reached.resolve(); // after it pulled, and so before the other one's writes are there
      await sent.promise;
      return Response.json({ data: null, errors: [{ message: 'refused', extensions: { code: 'BAD_USER_INPUT' } }] });
    }
    if (tries === 2) {
      smaller.resolve();
      await over.promise;
    }
    return fetch(url, init);
  };
  const one = await device.tab<unknown>({ ...alone, fetch: slow });
  const other = await device.tab<unknown>({ ...alone, fetch: refused });
  for (const id of ['a', 'b', 'c']) await one.put(id, 1);
  down = false;
  one.refresh();
  await sent.promise; // all three are stored
  await smaller.promise; // and tries two of them
  await one.put('c', 2);
  answered.resolve();
  await until(() => one.status.connection === 'live');
  over.resolve();
  await when(other, ({ uploaded }) => uploaded);
  const { record } = await call<{ record: { data: string } }>(server.url, signedFetch(new Session({ url: server.url, identity: device.identity })), '{ record(id: "c") { data } }');
  assert.equal(atob(record.data), '2');
  assert.deepEqual(new Set(modes.values()), new Set(['durable']));
  device.close();
});

/** A device that sent writes a day ago, and does not know what became of them. */
async function doubtful(ids: string[], arrived: boolean) {
  const { network, store, device } = await offline();
  for (const id of ids) await store.put(id, 'mine');
  store.close();
  Object.assign(network, { down: false, lost: 1 });
  const failing: typeof fetch = async (url, init) => {
    if (!arrived && isWrite(init)) throw new TypeError('no network');
    return network.fetch(url, init);
  };
  const before = await device.tab<unknown>({ fetch: failing });
  await when(before, ({ connection }) => connection === 'offline');
  before.close();
  const { mutationId } = await device.storage.transact('write', async (t) => {
    const meta = (await t.get('meta', 'meta')) as { claims: [{ at: number; mutationId: string }] };
    const [claim] = meta.claims;
    t.put('meta', 'meta', { ...meta, claims: [{ ...claim, at: claim.at - 86_000_000 }] });
    return claim;
  });
  const elsewhere = await new Device(device.identity, server.url).tab<unknown>();
  await when(elsewhere, ({ connection }) => connection === 'live');
  const later = new Network();
  const back = async () => {
    const again = await device.tab<unknown>({ fetch: later.fetch });
    await when(again, ({ connection, pending }) => connection === 'live' && pending.count === 0);
    return again;
  };
  const close = () => {
    elsewhere.close();
    device.close();
  };
  return { mutationId, elsewhere, later, back, close };
}

test('a day later, what never arrived is sent as new', async () => {
  const { mutationId, elsewhere, later, back, close } = await doubtful(['a', 'b'], false);
  await elsewhere.put('b', 'theirs').synced;
  const store = await back();
  assert.deepEqual((await store.list()).map(({ id, value, pending, refused }) => [id, value, pending, refused]), [['a', 'mine', false, false], ['b', 'mine', false, false]]);
  assert.ok(later.writes.length > 0 && later.writes.every((write) => write.mutationId !== mutationId));
  close();
});

test('a day later, what arrived is not sent again, and what was changed or deleted since is set aside', async () => {
  const { elsewhere, later, back, close } = await doubtful(['a', 'b', 'c'], true);
  await elsewhere.put('b', 'newer').synced;
  await elsewhere.delete('c').synced;
  const store = await back();
  assert.deepEqual(later.writes, []);
  assert.deepEqual((await store.list()).map(({ id, value, pending, refused }) => [id, value, pending, refused]), [['a', 'mine', false, false], ['b', 'mine', false, true], ['c', 'mine', false, true]]);
  const aside = await store.refused();
  assert.deepEqual(aside.map(({ code, writes }) => [code, writes[0]!.id]), [['TOO_OLD_TO_RETRY', 'b'], ['TOO_OLD_TO_RETRY', 'c']]);
  for (const { seq } of aside) await store.drop(seq);
  assert.deepEqual((await store.list()).map(({ id, value }) => [id, value]), [['a', 'mine'], ['b', 'newer']]);
  close();
});

test('a server that finds the beginning too old is tried again, and not without a pause', async () => {
  const [device] = devices(server, 1);
  let asked = 0;
  const odd: typeof fetch = async () => {
    if (++asked > 100) await new Promise(() => {}); // or nothing else would ever run
    return Response.json({ data: null, errors: [{ message: 'too old', extensions: { code: 'CURSOR_TOO_OLD', floor: 1, erased: false } }] });
  };
  const store = await device!.tab({ fetch: odd });
  await when(store, ({ error }) => error?.code === 'CURSOR_TOO_OLD');
  device!.close();
});

test('a server that does not answer is tried again, whatever it says', async () => {
  const [own] = devices(server, 1);
  const answers = [
    () => new Response('<html>', { status: 502 }),
    () => new Response('a hotel asks you to log in', { headers: { 'content-type': 'text/html' } }),
    () => Response.json({ errors: [{ message: 'busy', extensions: { code: 'UNAVAILABLE', retryAfterMs: 1 } }] }, { status: 503 }),
    () => new Response('{', { headers: { 'content-type': 'application/json' } }),
    () => Response.json({ data: null }),
    () => Response.json(null),
  ];
  const codes: (string | undefined)[] = [];
  const store = await own!.tab({ fetch: async (...args) => answers.shift()?.() ?? fetch(...args) });
  store.onStatus(({ error }) => codes.at(-1) !== error?.code && codes.push(error?.code));
  const written = store.put('a', 1);
  const refreshing = setInterval(() => store.refresh(), 5);
  await written.synced;
  clearInterval(refreshing);
  assert.equal(answers.length, 0);
  await when(store, ({ error }) => error === undefined);
  assert.ok(['NOT_SYNCLINE', 'UNAVAILABLE', 'PROTOCOL'].every((code) => codes.includes(code)), codes.join());
  own!.close();
});
