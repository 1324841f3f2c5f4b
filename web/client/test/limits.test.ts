import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { follow, Identity, Session, signedFetch } from '@syncline/client';
import type { FeedRecord } from '@syncline/client';
import { createSocket } from '@syncline/client/graphql-ws';
import { Server, until } from 'syncline-testing';
import WebSocket from 'ws';

import { call, set, SET } from './call.js';

let server: Server;
before(async () => (server = await Server.start({ MAX_OPERATIONS_PER_CONNECTION: '1' })));
after(() => server.stop());

const newSession = () => new Session({ url: server.url, identity: Identity.create() });

/** Gives one answer of its own before it lets requests through. */
function refusingFirst(refusal: () => Response): typeof fetch {
  let refused = false;
  return (input, init) => {
    if (refused) return fetch(input, init);
    refused = true;
    return Promise.resolve(refusal());
  };
}

const rateLimited = () =>
  Response.json({ errors: [{ message: 'slower', extensions: { code: 'RATE_LIMITED', retryAfterMs: 1 } }] }, { status: 429 });

test('RATE_LIMITED: waits and sends the request again, also a write without mutation id', async () => {
  const retries: string[] = [];
  const send = signedFetch(newSession(), { fetch: refusingFirst(rateLimited), onRetry: ({ code }) => retries.push(code) });
  const { setRecord } = await call<{ setRecord: { status: string } }>(server.url, send, SET, { input: { id: 'a', data: '' } });
  assert.equal(setRecord.status, 'SUCCESS');
  assert.deepEqual(retries, ['RATE_LIMITED']);
});

test('RATE_LIMITED by a gateway: a write is sent again only if it has a mutation id', async () => {
  const gateway = () => new Response('<h1>Too Many Requests</h1>', { status: 429, headers: { 'content-type': 'text/html' } });
  const send = () => signedFetch(newSession(), { fetch: refusingFirst(gateway) });
  assert.equal((await set(server.url, send(), 'a', 'text')).status, 'SUCCESS');
  await assert.rejects(call(server.url, send(), SET, { input: { id: 'a', data: '' } }), { code: 'UNREACHABLE' });
});

test('RATE_LIMITED: a feed over the cap of its connection waits for its turn', async () => {
  const session = newSession();
  const socket = createSocket(session, { webSocketImpl: WebSocket });
  const live: string[] = [];
  const start = (name: string) => {
    const control = new AbortController();
    const running = follow(socket, { since: '0', onCaughtUp: () => live.push(name), signal: control.signal }).run();
    const over = assert.rejects(running, { message: 'done' });
    return async () => (control.abort(new Error('done')), over);
  };
  const stopFirst = start('first');
  await until(() => live.length === 1);
  const stopSecond = start('second');
  await set(server.url, signedFetch(session), 'a', 'text');
  await stopFirst();
  await until(() => live.length === 2);
  assert.deepEqual(live, ['first', 'second']);
  await stopSecond();
  await socket.dispose();
});

test('NONCE_REUSED: reads and writes with a mutation id are sent again with a new nonce', async () => {
  const session = newSession();
  const nonces = ['0', '0', '1', '1', '2'].map((digit) => digit.repeat(32));
  const retries: string[] = [];
  const send = signedFetch(session, {
    moment: () => ({ created: Math.floor(Date.now() / 1000), nonce: nonces.shift()! }),
    onRetry: ({ code }) => retries.push(code),
  });
  assert.equal((await set(server.url, send, 'a', 'text')).newRevision, 1);
  assert.equal((await set(server.url, send, 'b', 'text')).newRevision, 2);
  assert.deepEqual(retries, ['NONCE_REUSED']);
  await assert.rejects(call(server.url, send, SET, { input: { id: 'c', data: '' } }), { code: 'NONCE_REUSED', message: /nonce/ });
});

test('NONCE_REUSED: a socket connects again with a new nonce', async (t) => {
  const session = newSession();
  const seen: FeedRecord[] = [];
  const connect = (onRetry?: (error: { code: string }) => void) =>
    createSocket(session, { webSocketImpl: WebSocket, ...(onRetry && { onRetry }) });
  const random = crypto.getRandomValues.bind(crypto);
  let repeated = 0;
  t.mock.method(crypto, 'getRandomValues', (array: Uint8Array<ArrayBuffer>) => (repeated++ < 2 ? array.fill(7) : random(array)));
  const retries: string[] = [];
  for (const socket of [connect(), connect(({ code }) => retries.push(code))]) {
    for await (const { kind, record } of follow(socket)) {
      if (record) seen.push(record);
      if (kind === 'CAUGHT_UP') break;
    }
    await socket.dispose();
  }
  assert.deepEqual(retries, ['NONCE_REUSED']);
  assert.deepEqual(seen, []);
});
