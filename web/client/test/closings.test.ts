import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import type { TestContext } from 'node:test';

import { follow, Identity, Session, signedFetch } from '@syncline/client';
import type { Subscriber } from '@syncline/client';
import { createEventSource } from '@syncline/client/graphql-sse';
import { createSocket } from '@syncline/client/graphql-ws';
import { listen, Server, until } from 'syncline-testing';
import WebSocket, { WebSocketServer } from 'ws';

import { set } from './call.js';

let server: Server;
before(async () => (server = await Server.start()));
after(() => server.stop());

/** A proxy to the server that ends its first connections itself, before or after the server accepted them. */
async function closing(t: TestContext, ends: { code: number; reason?: string; when: 'at once' | 'accepted' }[]) {
  const http = createServer();
  const proxy = new WebSocketServer({ server: http });
  const state = { given: 0 };
  proxy.on('connection', (near, { headers }) => {
    const end = ends[state.given++];
    if (end?.when === 'at once') return near.close(end.code, end.reason);
    const far = new WebSocket(server.url.replace('http', 'ws'), 'graphql-transport-ws', { headers: { host: headers.host! } });
    const opened = new Promise((resolve) => far.once('open', resolve));
    near.on('message', (message) => void opened.then(() => far.send(message.toString())));
    far.on('message', (message) => {
      near.send(message.toString());
      if (end) near.close(end.code, end.reason);
    });
    near.on('close', () => far.close());
  });
  const url = `http://127.0.0.1:${await listen(http)}/graphql`;
  t.after(() => http.close());
  return { state, session: new Session({ url, identity: Identity.create() }) };
}

const CHANGES = 'subscription { recordChanged { kind } }';

const passing = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1011, 1012, 1013, 1014, 3000, 4400, 4403, 4408, 4409, 4429, 4499, 4500, 4504];
for (const when of ['at once', 'accepted'] as const) {
  for (const code of passing) {
    test(`graphql-ws: a connection that is closed ${when} with ${code} is made again`, async (t) => {
      const { session, state } = await closing(t, [{ code, when }]);
      const retries: string[] = [];
      const socket = createSocket(session, { webSocketImpl: WebSocket, onRetry: ({ message }) => retries.push(message) });
      let events = 0;
      const ended: unknown[] = [];
      const sink = { next: () => events++, error: (error: unknown) => ended.push(error), complete: () => ended.push('complete') };
      for (let i = 0; i < 3; i++) socket.subscribe({ query: CHANGES }, sink);
      for await (const { kind } of follow(socket)) {
        assert.equal(kind, 'CAUGHT_UP');
        break;
      }
      await until(() => events >= 3);
      assert.deepEqual(ended, []);
      assert.equal(state.given, 2);
      assert.equal(retries.length, 1, 'told once, however many operations are concerned');
      assert.match(retries[0]!, code === 4499 ? /silent/ : new RegExp(String(code)));
      await socket.dispose();
      await until(() => ended.length === 3);
    });
  }
}

const final: [code: number, reason: string, told: string][] = [
  [4401, 'Unauthorized', 'UNAUTHENTICATED'],
  [4406, 'Subprotocol not acceptable', 'NOT_SYNCLINE'],
  [4403, '{"code":"FORBIDDEN"}', 'FORBIDDEN'],
];
for (const [code, reason, told] of final) {
  test(`graphql-ws: a connection that is closed with ${code} ${reason} ends what ran on it`, async (t) => {
    const { session, state } = await closing(t, [{ code, reason, when: 'at once' }]);
    const socket = createSocket(session, { webSocketImpl: WebSocket });
    const ended = new Promise((_, reject) => socket.subscribe({ query: CHANGES }, { next() {}, error: reject, complete() {} }));
    await assert.rejects(Promise.all([ended, follow(socket).run()]), { code: told });
    assert.equal(state.given, 1);
    await socket.dispose();
  });
}

const REFUSED: [what: string, payload: { query: string; variables?: Record<string, unknown> }, message: RegExp][] = [
  ['half an emoji', { query: CHANGES, variables: { input: { id: 'party 🎉'.slice(0, 7) } } }, /^variables\.input\.id: half of a character/],
  ['half an emoji in a name', { query: CHANGES, variables: { ['🎉'.slice(1)]: 1 } }, /half of a character/],
  ['a message of 1.6 MB', { query: CHANGES, variables: { data: 'x'.repeat(1_600_000) } }, /1600\d\d\d bytes.*1 MiB/],
  ['what JSON has not', { query: CHANGES, variables: { revision: 1n } }, /JSON/],
];
for (const [what, payload, message] of REFUSED) {
  test(`graphql-ws: ${what} is refused before it is sent, and all else goes on`, async (t) => {
    const { session, state } = await closing(t, []);
    const socket = createSocket(session, { webSocketImpl: WebSocket });
    let events = 0;
    const stop = socket.subscribe({ query: CHANGES }, { next: () => events++, error: assert.fail, complete() {} });
    await until(() => events === 1);
    const refused = new Promise((_, reject) => socket.subscribe(payload, { next() {}, error: reject, complete() {} }));
    await assert.rejects(refused, { code: 'BAD_USER_INPUT', message });
    await set(server.url, signedFetch(new Session({ url: server.url, identity: session.identity })), 'a', 'text');
    await until(() => events === 2);
    assert.equal(state.given, 1);
    stop();
    await socket.dispose();
  });
}

test('graphql-ws: a message of nearly 1 MiB is sent, and answered', async (t) => {
  const { session, state } = await closing(t, []);
  const socket = createSocket(session, { webSocketImpl: WebSocket });
  const query = 'query ($ids: [ID!]!) { records(ids: $ids) { id } }';
  const size = (ids: string[]) => new TextEncoder().encode(JSON.stringify({ query, variables: { ids } })).length;
  const ids = ['x'.repeat((1 << 20) - 100 - size(['']))];
  const answered = new Promise<unknown>((resolve, reject) =>
    socket.subscribe({ query, variables: { ids } }, { next: ({ errors }) => resolve(errors), error: resolve, complete: () => reject(new Error('no answer')) }));
  assert.equal((await answered as { extensions: { code: string } }[])[0]!.extensions.code, 'BAD_USER_INPUT'); // of the id, by the server
  assert.equal(state.given, 1);
  await socket.dispose();
});

/** Takes note of each pause from 50 ms to 3 s, and lets it pass at once; other timers are somebody else's. */
function notePauses(t: TestContext): number[] {
  const pauses: number[] = [];
  t.mock.method(Math, 'random', () => 0);
  const { setTimeout } = globalThis;
  t.mock.method(globalThis, 'setTimeout', (work: () => void, ms = 0) => {
    if (ms < 50 || ms > 3_000) return setTimeout(work, ms);
    pauses.push(ms);
    return setTimeout(work, 0);
  });
  return pauses;
}
const GROWING = [50, 100, 200, 400, 800, 1600];

test('graphql-ws: a server that accepts and closes is left in peace, longer each time', async (t) => {
  const { session } = await closing(t, Array(GROWING.length).fill({ code: 1000, when: 'accepted' }));
  const socket = createSocket(session, { webSocketImpl: WebSocket });
  const pauses = notePauses(t);
  for await (const _ of follow(socket)) break;
  assert.deepEqual(pauses, GROWING);
  await socket.dispose();
});

test('graphql-ws: the pause that a refused connection asks for is kept', async (t) => {
  const { session } = await closing(t, [{ code: 4429, reason: '{"code":"RATE_LIMITED","retryAfterMs":3000}', when: 'at once' }]);
  const told: string[] = [];
  const socket = createSocket(session, { webSocketImpl: WebSocket, onRetry: ({ code }) => told.push(code) });
  const pauses = notePauses(t);
  for await (const _ of follow(socket)) break;
  assert.deepEqual([told, pauses], [['RATE_LIMITED'], [3000]]);
  await socket.dispose();
});

const EVENT = 'event: next\ndata: {"data":{"recordChanged":{"kind":"CAUGHT_UP","cursor":"1"}}}\n\n';

test('graphql-sse: a server that tells one event and ends is left in peace, longer each time', async (t) => {
  const client = createEventSource(new Session({ url: server.url, identity: Identity.create() }), {
    fetch: async () => new Response(EVENT, { headers: { 'content-type': 'text/event-stream' } }),
  });
  const pauses = notePauses(t);
  let events = 0;
  const stop = client.subscribe({ query: CHANGES }, { next: () => events++, error: assert.fail, complete() {} });
  await until(() => events > GROWING.length);
  assert.deepEqual(pauses.slice(0, GROWING.length), GROWING);
  stop();
});

test('graphql-sse: goes on after gateways’ errors in JSON, and after pages that are in the way for a while', async (t) => {
  const session = new Session({ url: server.url, identity: Identity.create() });
  const answers: (() => Response)[] = [
    () => Response.json({ message: 'Internal server error' }, { status: 502 }),
    () => new Response('{"title":"Gateway Timeout"}', { status: 504, headers: { 'content-type': 'application/problem+json' } }),
    () => new Response(EVENT, { headers: { 'content-type': 'text/event-stream' } }),
    () => new Response('<h1>Sign in to this network</h1>', { headers: { 'content-type': 'text/html' } }),
  ];
  const told: string[] = [];
  const client = createEventSource(session, {
    fetch: async (...request) => answers.shift()?.() ?? fetch(...request),
    onRetry: ({ code }) => told.push(code),
  });
  notePauses(t);
  let events = 0;
  const stop = client.subscribe({ query: CHANGES }, { next: () => events++, error: assert.fail, complete() {} });
  await until(() => events === 2);
  assert.deepEqual(told, ['UNREACHABLE', 'UNREACHABLE', 'UNREACHABLE', 'NOT_SYNCLINE']);
  stop();
  const elsewhere = createEventSource(session, { fetch: async () => new Response('<h1>Welcome</h1>', { headers: { 'content-type': 'text/html' } }) });
  await assert.rejects(follow(elsewhere).run(), { code: 'NOT_SYNCLINE' }, 'where Syncline never answered');
});

test('follow: a subscription that brings one event and ends is left in peace, longer each time, and the reason is told', async (t) => {
  const failing: Subscriber = {
    subscribe(_, sink) {
      queueMicrotask(() => {
        sink.next({ data: { recordChanged: { kind: 'CAUGHT_UP', cursor: '1', record: null } } });
        sink.error([{ message: 'something broke', extensions: { code: 'INTERNAL' } }]);
      });
      return () => {};
    },
  };
  const pauses = notePauses(t);
  const told: string[] = [];
  let events = 0;
  for await (const _ of follow(failing, { onRetry: ({ message }) => told.push(message) })) if (++events > GROWING.length) break;
  assert.deepEqual(pauses, GROWING);
  assert.deepEqual(told, GROWING.map(() => 'something broke'));
});

for (const [what, failure, reason] of [
  ['an error', new Error('no room for more'), { code: 'PROTOCOL', message: /no room for more/ }],
  ['a refusal', [{ message: 'since: no cursor', extensions: { code: 'BAD_USER_INPUT', field: 'since' } }], { code: 'BAD_USER_INPUT', message: 'since: no cursor' }],
  ['a close code', { code: 4401, reason: 'Unauthorized' }, { code: 'UNAUTHENTICATED', message: /4401: Unauthorized/ }],
] as const) {
  test(`follow: tells why it ended, of ${what}`, async () => {
    const failing: Subscriber = {
      subscribe(_, sink) {
        queueMicrotask(() => sink.error(failure));
        return () => {};
      },
    };
    await assert.rejects(follow(failing).run(), reason);
  });
}

test('follow: an iterator can be left while it waits', async () => {
  const session = new Session({ url: server.url, identity: Identity.create() });
  const socket = createSocket(session, { webSocketImpl: WebSocket });
  let stopped = false;
  const client: Subscriber = {
    subscribe(payload, sink) {
      const stop = socket.subscribe(payload, sink);
      return () => ((stopped = true), stop());
    },
  };
  const changes = follow(client)[Symbol.asyncIterator]();
  assert.equal((await changes.next()).value.kind, 'CAUGHT_UP');
  const waiting = changes.next();
  assert.deepEqual(await changes.return!(), { done: true, value: undefined });
  assert.deepEqual(await waiting, { done: true, value: undefined });
  assert.ok(stopped);
  await socket.dispose();
});

test('graphql-ws: a client may be disposed of while it connects, and used again', async () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => unhandled.push(reason);
  process.on('unhandledRejection', note);
  const session = new Session({ url: server.url, identity: Identity.create() });
  const socket = createSocket(session, { webSocketImpl: WebSocket });
  const ended = new Promise<void>((resolve, reject) => socket.subscribe({ query: CHANGES }, { next() {}, error: reject, complete: resolve }));
  void socket.dispose();
  await ended;
  for await (const { kind } of follow(socket)) {
    assert.equal(kind, 'CAUGHT_UP');
    break;
  }
  await socket.dispose();
  const away = createSocket(new Session({ url: 'http://127.0.0.1:1/graphql', identity: Identity.create() }), { webSocketImpl: WebSocket });
  const given = new Promise<void>((resolve, reject) => away.subscribe({ query: CHANGES }, { next() {}, error: reject, complete: resolve }));
  void away.dispose();
  await given;
  await new Promise((resolve) => setTimeout(resolve, 100)); // what is refused is refused by now, or later by chance
  process.off('unhandledRejection', note);
  assert.deepEqual(unhandled, []);
});

test('sockets, streams and feeds that are gone leave nothing behind on a session, and many bring no warning', async () => {
  const warnings: string[] = [];
  const note = ({ message }: Error) => warnings.push(message);
  process.on('warning', note);
  const session = new Session({ url: server.url, identity: Identity.create() });
  const { signal } = new AbortController();
  const socket = createSocket(session, { webSocketImpl: WebSocket });
  const stream = createEventSource(session);
  const feeds = Array.from({ length: 24 }, (_, i) => follow(i % 4 === 0 ? stream : socket, { signal })[Symbol.asyncIterator]());
  for (const feed of feeds) assert.equal((await feed.next()).value.kind, 'CAUGHT_UP');
  for (const feed of feeds) await feed.return!();
  await socket.dispose();
  stream.dispose();
  await until(() => getEventListeners(session.signal, 'abort').length + getEventListeners(signal, 'abort').length === 0);
  process.off('warning', note);
  assert.deepEqual(warnings, []);
});
