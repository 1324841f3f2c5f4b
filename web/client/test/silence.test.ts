import assert from 'node:assert/strict';
import { after, before, mock, test } from 'node:test';
import type { TestContext } from 'node:test';

import { follow, Identity, Session, signedFetch } from '@syncline/client';
import type { Subscriber } from '@syncline/client';
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

/** Waits without letting the mocked clock go on, but by `tick` each time. */
async function until(condition: () => boolean, tick = () => {}): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`not within 20 s: ${condition}`);
    tick();
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
const transports: [name: string, silences: number[], make: (session: Session) => Live][] = [
  ['graphql-ws', [15_000, 10_000], (session) => createSocket(session, { webSocketImpl: WebSocket })],
  ['graphql-sse', [40_000], (session) => createEventSource(session)],
];

for (const [name, silences, make] of transports) {
  test(`${name}: a connection that died in silence is replaced, and nothing is lost`, async (t) => {
    const { relay, identity, write } = await relayed(t);
      const client = make(new Session({ url: relay.url, identity }));
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
    await until(() => caughtUp === 2, () => mock.timers.tick(1));
    assert.deepEqual(seen, ['a', 'b']);
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
  await until(() => caughtUp === 1, () => mock.timers.tick(1));
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
  await until(() => viewer !== undefined, () => mock.timers.tick(1));
  assert.equal(viewer!.id, identity.publicKey);
  assert.deepEqual(retries, ['UNREACHABLE']);
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
        return `event: next\ndata: ${JSON.stringify({ data })}\n\n`;
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
    await until(() => seen.length === 4, () => mock.timers.tick(1));
    assert.deepEqual(seen, ['1', '2', '3', '4']);
    assert.deepEqual(resumed, [undefined, '3']);
    control.abort(new Error('done'));
    await over;
    client.dispose();
  });
}
