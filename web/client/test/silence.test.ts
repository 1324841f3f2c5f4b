import assert from 'node:assert/strict';
import { after, before, mock, test } from 'node:test';
import type { TestContext } from 'node:test';

import { follow, Identity, Session, signedFetch } from '@syncline/client';
import type { SignedFetchOptions, Subscriber } from '@syncline/client';
import { createEventSource } from '@syncline/client/graphql-sse';
import { createSocket } from '@syncline/client/graphql-ws';
import { Server } from 'syncline-testing';
import WebSocket from 'ws';

import { call, set } from './call.js';
import { Relay } from './relay.js';

let server: Server;
before(async () => {
  server = await Server.start();
  mock.timers.enable({ apis: ['setTimeout'] });
});
after(() => {
  mock.timers.reset();
  return server.stop();
});

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Waits while the mocked clock stands still, or goes as the real one does. */
async function until(condition: () => boolean, clock: 'still' | 'going' = 'still'): Promise<void> {
  const began = Date.now();
  let told = began;
  while (!condition()) {
    const now = Date.now();
    if (now - began > 120_000) throw new Error(`not within two minutes: ${condition}`);
    if (clock === 'going' && now > told) mock.timers.tick(now - told);
    told = now;
    await turn();
  }
}

async function relayed(t: TestContext) {
  const relay = await Relay.start(server.port);
  t.after(() => relay.stop());
  const identity = Identity.create();
  const direct = signedFetch(new Session({ url: server.url, identity }));
  return { relay, identity, write: (id: string) => set(server.url, direct, id, id) };
}

type Live = Subscriber & { dispose(): unknown };
type OnRetry = NonNullable<SignedFetchOptions['onRetry']>;
const transports: [name: string, silences: number[], why: RegExp, make: (session: Session, onRetry: OnRetry) => Live][] = [
  ['graphql-ws', [15_000, 10_000], /fell silent/, (session, onRetry) => createSocket(session, { webSocketImpl: WebSocket, onRetry })],
  ['graphql-sse', [40_000], /fell silent.*a proxy may hold it back/, (session, onRetry) => createEventSource(session, { onRetry })],
];

for (const [name, silences, why, make] of transports) {
  test(`${name}: a connection that died in silence is replaced, and nothing is lost`, async (t) => {
    const { relay, identity, write } = await relayed(t);
    const retries: string[] = [];
    const client = make(new Session({ url: relay.url, identity }), ({ message }) => retries.push(message));
    const seen: string[] = [];
    let caughtUp = 0;
    const options = { since: '0', onRecord: ({ id }: { id: string }) => seen.push(id), onCaughtUp: () => caughtUp++ };
    const control = new AbortController();
    const over = assert.rejects(follow(client, { ...options, signal: control.signal }).run(), { message: 'done' });
    await until(() => caughtUp === 1);
    await write('a');
    await until(() => seen.length === 1);

    relay.swallow();
    await write('b');
    for (const silence of silences) {
      mock.timers.tick(silence);
      await turn();
    }
    await until(() => caughtUp === 2, 'going');
    assert.deepEqual(seen, ['a', 'b']);
    assert.equal(retries.length, 1);
    assert.match(retries[0]!, why);
    control.abort(new Error('done'));
    await over;
    await client.dispose();
  });
}

test('graphql-ws: a connection that is never accepted is given up and made again', async (t) => {
  const { relay, identity } = await relayed(t);
  relay.deaf = true;
  const retries: string[] = [];
  const socket = createSocket(new Session({ url: relay.url, identity }), {
    webSocketImpl: WebSocket,
    onRetry: ({ code }) => retries.push(code),
  });
  let caughtUp = 0;
  const control = new AbortController();
  const over = assert.rejects(follow(socket, { onCaughtUp: () => caughtUp++, signal: control.signal }).run(), { message: 'done' });
  await until(() => relay.accepted === 1);
  relay.deaf = false;
  mock.timers.tick(10_000);
  await until(() => caughtUp === 1, 'going');
  assert.deepEqual(retries, ['UNREACHABLE']);
  control.abort(new Error('done'));
  await over;
  await socket.dispose();
});

test('signedFetch: a request that is never answered is sent again', async (t) => {
  const { relay, identity } = await relayed(t);
  relay.deaf = true;
  const retries: string[] = [];
  const send = signedFetch(new Session({ url: relay.url, identity }), { onRetry: ({ code }) => retries.push(code) });
  const answer = call<{ viewer: { id: string } }>(relay.url, send, '{ viewer { id } }');
  await until(() => relay.accepted === 1);
  relay.deaf = false;
  mock.timers.tick(60_000);
  let viewer: { id: string } | undefined;
  void answer.then((data) => (viewer = data.viewer));
  await until(() => viewer !== undefined, 'going');
  assert.equal(viewer!.id, identity.publicKey);
  assert.deepEqual(retries, ['UNREACHABLE']);
});

test('signedFetch: an answer that stalls halfway is asked for again', async () => {
  const retries: string[] = [];
  let asked = 0;
  let begun = false;
  const stalling: typeof fetch = async (_, init) => {
    if (asked++ > 0) return Response.json({ data: { viewer: { id: 'whole' } } });
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        init!.signal!.addEventListener('abort', () => controller.error(init!.signal!.reason));
        controller.enqueue(new TextEncoder().encode('{"data":'));
      },
      pull: () => void (begun = true),
    });
    return new Response(body, { headers: { 'content-type': 'application/json' } });
  };
  const session = new Session({ url: server.url, identity: Identity.create() });
  const send = signedFetch(session, { fetch: stalling, onRetry: ({ code }) => retries.push(code) });
  let id: string | undefined;
  void call<{ viewer: { id: string } }>(server.url, send, '{ viewer { id } }').then((data) => (id = data.viewer.id));
  await until(() => begun);
  mock.timers.tick(60_000);
  await until(() => id !== undefined, 'going');
  assert.deepEqual([id, asked, retries], ['whole', 2, ['UNREACHABLE']]);
});

test('signedFetch: a long answer on a slow line is waited for, as long as it goes on', async () => {
  const parts = ['{"data":', '{"viewer":', '{"id":"slow"', '}}}'];
  let source!: ReadableStreamDefaultController<Uint8Array>;
  const slow: typeof fetch = async () =>
    new Response(new ReadableStream<Uint8Array>({ start: (controller) => void (source = controller) }), { headers: { 'content-type': 'application/json' } });
  const send = signedFetch(new Session({ url: server.url, identity: Identity.create() }), { fetch: slow, attempts: 1 });
  const answer = call<{ viewer: { id: string } }>(server.url, send, '{ viewer { id } }');
  for (const part of parts) {
    for (let turns = 0; turns < 20; turns++) await turn();
    mock.timers.tick(50_000);
    source.enqueue(new TextEncoder().encode(part));
  }
  source.close();
  assert.equal((await answer).viewer.id, 'slow');
});

test('signedFetch: a pause that no server means is not kept', async () => {
  for (const [retryAfterMs, atLeast] of [[1e12, 30_000], ['soon', 40]]) {
    const extensions = { code: 'RATE_LIMITED', retryAfterMs };
    const answers = [
      Response.json({ errors: [{ message: 'slower', extensions }] }, { status: 429 }),
      Response.json({ data: { viewer: { id: 'served' } } }),
    ];
    let retries = 0;
    const options = { fetch: async () => answers.shift()!, onRetry: () => void retries++ };
    const send = signedFetch(new Session({ url: server.url, identity: Identity.create() }), options);
    let served = false;
    void call(server.url, send, '{ viewer { id } }').then(() => (served = true));
    await until(() => retries === 1);
    for (let turns = 0; turns < 20; turns++) await turn();
    mock.timers.tick(Number(atLeast));
    for (let turns = 0; turns < 20; turns++) await turn();
    assert.equal(served, false, `${retryAfterMs}`);
    mock.timers.tick(90_000);
    await until(() => served);
  }
});

test('graphql-sse: the pause that a refusal asks for is kept, once, and not by all to the same moment', async (t) => {
  const refusals = [
    ...[['RATE_LIMITED', 429], ['UNAVAILABLE', 503]].map(([code, status]) => () =>
      Response.json({ errors: [{ message: 'later', extensions: { code, retryAfterMs: 30_000 } }] }, { status: Number(status) })),
    () => {
      throw new TypeError('no network');
    },
  ];
  const luck = [0, 0.5];
  t.mock.method(Math, 'random', () => luck.shift() ?? 0);
  let connects = 0;
  const retries: string[] = [];
  const client = createEventSource(new Session({ url: server.url, identity: Identity.create() }), {
    fetch: async (...request) => refusals.shift()?.() ?? fetch(...request),
    on: { connecting: () => void connects++ },
    onRetry: ({ code }) => retries.push(code),
  });
  let caughtUp = 0;
  const control = new AbortController();
  const over = assert.rejects(follow(client, { onCaughtUp: () => caughtUp++, signal: control.signal }).run(), { message: 'done' });
  for (const [failed, paused] of [[1, 30_000], [2, 35_000]] as const) {
    await until(() => retries.length === failed);
    await turn();
    mock.timers.tick(paused - 1);
    await turn();
    assert.equal(connects, failed);
    mock.timers.tick(1);
    await until(() => connects === failed + 1);
  }
  await until(() => retries.length === 3);
  await turn();
  mock.timers.tick(400);
  await until(() => caughtUp === 1);
  assert.deepEqual(retries, ['RATE_LIMITED', 'UNAVAILABLE', 'UNREACHABLE']);
  control.abort(new Error('done'));
  await over;
  client.dispose();
});

test('graphql-sse: a subscription that is stopped in such a pause leaves no timer behind', async (t) => {
  const pending = new Set<unknown>(); // pauses of half a minute, which nothing else here takes
  const { setTimeout, clearTimeout } = globalThis;
  t.mock.method(globalThis, 'setTimeout', (work: () => void, ms: number) => {
    const timer = setTimeout(work, ms);
    if (ms >= 30_000 && ms < 40_000) pending.add(timer);
    return timer;
  });
  t.mock.method(globalThis, 'clearTimeout', (timer: NodeJS.Timeout) => {
    pending.delete(timer);
    clearTimeout(timer);
  });
  let refused = false;
  const client = createEventSource(new Session({ url: server.url, identity: Identity.create() }), {
    fetch: async () => Response.json({ errors: [{ message: 'later', extensions: { code: 'RATE_LIMITED', retryAfterMs: 30_000 } }] }, { status: 429 }),
    onRetry: () => (refused = true),
  });
  const stop = client.subscribe({ query: 'subscription { recordChanged { cursor } }' }, { next() {}, error() {}, complete() {} });
  await until(() => refused);
  await turn();
  assert.equal(pending.size, 1);
  stop();
  assert.equal(pending.size, 0);
  client.dispose();
});

for (const [how, end] of [
  ['ends', (controller: ReadableStreamDefaultController) => controller.close()],
  ['breaks', (controller: ReadableStreamDefaultController) => controller.error(new TypeError('terminated'))],
] as const) {
  test(`graphql-sse: a stream that ${how} right behind its events is resumed after the last of them`, async () => {
    const resumed: unknown[] = [];
    const answers: typeof fetch = async (_, init) => {
      const { extensions } = JSON.parse(new TextDecoder().decode(init!.body as Uint8Array)) as { extensions?: { resume: string } };
      resumed.push(extensions?.resume);
      const first = resumed.length === 1;
      const events = (first ? ['1', '2', '3'] : ['4']).map((cursor) => {
        const data = { recordChanged: { kind: 'CHANGED', cursor, record: { id: cursor, revision: Number(cursor) } } };
        return `event: next\ndata: ${JSON.stringify({ data, extensions: { cursor } })}\n\n`;
      });
      const body = new ReadableStream({
        start(controller) {
          controller.enqueue(new TextEncoder().encode(events.join('')));
        },
        pull: (controller) => (first ? end(controller) : undefined),
      });
      return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
    };
    const session = new Session({ url: server.url, identity: Identity.create() });
    const client = createEventSource(session, { fetch: answers });
    const seen: string[] = [];
    const control = new AbortController();
    const over = assert.rejects(
      follow(client, { onRecord: ({ id }) => seen.push(id), signal: control.signal }).run(),
      { message: 'done' },
    );
    await until(() => seen.length === 4, 'going');
    assert.deepEqual(seen, ['1', '2', '3', '4']);
    assert.deepEqual(resumed, [undefined, '3']);
    control.abort(new Error('done'));
    await over;
    client.dispose();
  });
}
