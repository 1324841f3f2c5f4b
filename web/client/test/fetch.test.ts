import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getEventListeners, once } from 'node:events';
import { after, before, test } from 'node:test';

import { decodeText, Identity, Session, signedFetch } from '@syncline/client';
import { Server } from 'syncline-testing';

import { call, set, SET } from './call.js';
import type { SetPayload } from './call.js';

let server: Server;
before(async () => (server = await Server.start()));
after(() => server.stop());

function newSession(now?: () => number): Session {
  return new Session({ url: server.url, identity: Identity.create(), ...(now && { now }) });
}

test('writes and reads by POST and by GET, and learns of a conflict', async () => {
  const session = newSession();
  const send = signedFetch(session);
  assert.equal((await set(server.url, send, 'a', 'first')).status, 'SUCCESS');
  const conflict = await set(server.url, send, 'a', 'second');
  assert.equal(conflict.status, 'CONFLICT');
  assert.equal(decodeText(conflict.record!.data), 'first');

  const url = new URL(server.url);
  url.searchParams.set('query', '{ viewer { id recordCount } }');
  const response = await send(url);
  assert.deepEqual(await response.json(), {
    data: { viewer: { id: session.identity.publicKey, recordCount: 1 } },
  });
});

test('takes a Request, and relative URLs', async () => {
  const session = newSession();
  const init = {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: '{ viewer { id } }' }),
  };
  for (const input of [new Request(server.url, init), '/graphql']) {
    const response = await signedFetch(session)(input, input instanceof Request ? undefined : init);
    assert.deepEqual(await response.json(), { data: { viewer: { id: session.identity.publicKey } } });
  }
});

for (const hours of [-5, 5]) {
  test(`corrects a clock that is ${hours} hours off`, async () => {
    const session = newSession(() => Date.now() + hours * 3_600_000);
    let requests = 0;
    const counting: typeof fetch = (...args) => (requests++, fetch(...args));
    const send = signedFetch(session, { fetch: counting });
    assert.equal((await set(server.url, send, 'a', 'text')).status, 'SUCCESS');
    assert.equal(requests, 2);
    assert.ok(Math.abs(session.now() - Date.now()) < 600_000);
    await set(server.url, send, 'b', 'text');
    assert.equal(requests, 3);
  });
}

/** Answers UNAVAILABLE in place of the first answer, after the server gave it. */
function losingFirstAnswer(outcome: string, bodies: string[]): typeof fetch {
  return async (input, init) => {
    bodies.push(new TextDecoder().decode(init!.body as Uint8Array));
    const response = await fetch(input, init);
    if (bodies.length > 1) return response;
    const extensions = { code: 'UNAVAILABLE', outcome, retryAfterMs: 1 };
    return Response.json({ errors: [{ message: 'the outcome is not known', extensions }] }, { status: 503 });
  };
}

test('sends a write again with its mutation id after UNAVAILABLE, and it is applied once', async () => {
  const bodies: string[] = [];
  const send = signedFetch(newSession(), { fetch: losingFirstAnswer('UNKNOWN', bodies) });
  const payload = await set(server.url, send, 'a', 'text');
  assert.deepEqual(payload, { ...payload, status: 'SUCCESS', newRevision: 1, replayed: true });
  assert.equal(bodies.length, 2);
  assert.equal(bodies[0], bodies[1]);
});

test('does not send a write without mutation id again unless it was not applied', async () => {
  const input = { id: 'a', data: '' };
  for (const [outcome, times] of [['UNKNOWN', 1], ['NOT_APPLIED', 2]] as const) {
    const bodies: string[] = [];
    const send = signedFetch(newSession(), { fetch: losingFirstAnswer(outcome, bodies) });
    await call<{ setRecord: SetPayload }>(server.url, send, SET, { input }).catch((error) => {
      assert.equal(error.code, 'UNAVAILABLE');
    });
    assert.equal(bodies.length, times, outcome);
  }
});

test('says what to do where nobody answers', async () => {
  const session = new Session({ url: 'http://127.0.0.1:1/graphql', identity: Identity.create() });
  await assert.rejects(call('http://127.0.0.1:1/graphql', signedFetch(session, { attempts: 2 }), '{ viewer { id } }'), {
    code: 'UNREACHABLE',
    message: /http:\/\/127.0.0.1:1 cannot be reached.*ALLOWED_ORIGINS/,
  });
});

test('says what to do where something else answers', async (t) => {
  const other = createServer((request, response) => {
    if (request.url === '/moved') return response.writeHead(307, { location: '/graphql' }).end();
    return response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Welcome</h1>');
  }).listen(0, '127.0.0.1');
  await once(other, 'listening');
  t.after(() => other.close());
  const origin = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
  const session = new Session({ url: origin, identity: Identity.create() });
  for (const path of ['/page', '/moved']) {
    await assert.rejects(call(origin + path, signedFetch(session), '{ viewer { id } }'), {
      code: 'NOT_SYNCLINE',
      message: /check the URL/,
    });
  }
});

const gateways: [status: number, type: string, body: string][] = [
  ...[502, 504, 520, 521, 522, 523, 524, 525, 526, 527, 530].map((status): [number, string, string] => [status, 'text/html', '<h1>Bad gateway</h1>']),
  [502, 'application/json', '{"message":"Internal server error"}'],
  [503, 'application/problem+json', '{"type":"about:blank","title":"Service Unavailable","status":503}'],
  [500, 'application/json', '{"errors":[{"message":"no upstream","extensions":{"code":"SUBREQUEST_HTTP_ERROR"}}]}'],
  [504, 'application/json', '{"message"'],
  [429, 'application/json', '{"message":"Too Many Requests"}'],
];

for (const [status, type, body] of gateways) {
  test(`a gateway that answers ${status} with ${body} is waited for`, async () => {
    const retries: string[] = [];
    const once = () => {
      let asked = 0;
      const failing: typeof fetch = async (input, init) =>
        asked++ === 0 ? new Response(body, { status, headers: { 'content-type': type } }) : fetch(input, init);
      return signedFetch(newSession(), { fetch: failing, onRetry: ({ code, cause }) => retries.push(`${code}: ${String(cause)}`) });
    };
    assert.equal((await set(server.url, once(), 'a', 'text')).status, 'SUCCESS');
    assert.deepEqual(retries, [`UNREACHABLE: Error: a gateway answered with ${status}`]);
    const unsafe = call(server.url, once(), SET, { input: { id: 'a', data: '' } });
    await assert.rejects(unsafe, { code: 'UNREACHABLE' }, 'a write without mutation id is not sent again');
  });
}

test('a request under way for the old identity ends when another takes over', async () => {
  const session = newSession();
  let sent!: () => void;
  const isSent = new Promise<void>((resolve) => (sent = resolve));
  const stuck: typeof fetch = (_, init) =>
    new Promise((_, reject) => {
      init!.signal!.addEventListener('abort', () => reject(init!.signal!.reason as Error));
      sent();
    });
  const answer = call(server.url, signedFetch(session, { fetch: stuck }), '{ viewer { id } }');
  const refused = assert.rejects(answer, { code: 'IDENTITY_CHANGED' });
  await isSent;
  await session.switchTo(Identity.create());
  await refused;
});

test('what was about to be sent for the old identity is not sent for the new one', async () => {
  const session = newSession();
  const old = call(server.url, signedFetch(session), SET, { input: { id: 'a', data: '' } });
  const refused = assert.rejects(old, { code: 'IDENTITY_CHANGED' });
  await session.switchTo(Identity.create());
  await refused;
  const { viewer } = await call<{ viewer: { recordCount: number } }>(server.url, signedFetch(session), '{ viewer { recordCount } }');
  assert.equal(viewer.recordCount, 0);
});

test('a server that starts again twice while a request is under way refuses its signature twice', async () => {
  const answers = ['expired', 'away', 'expired', 'served'];
  const starting: typeof fetch = async () => {
    const extensions = { code: 'SIGNATURE_EXPIRED', serverTime: new Date().toISOString() };
    const answer = answers.shift();
    if (answer === 'away') throw new TypeError('fetch failed');
    if (answer === 'served') return Response.json({ data: { viewer: { id: 'served' } } });
    return Response.json({ errors: [{ message: 'sign anew', extensions }] }, { status: 401 });
  };
  const { viewer } = await call<{ viewer: { id: string } }>(server.url, signedFetch(newSession(), { fetch: starting }), '{ viewer { id } }');
  assert.equal(viewer.id, 'served');
});

test('requests leave nothing behind on the signals of a session and of a caller', async () => {
  const session = newSession();
  const { signal } = new AbortController();
  const answers = [
    () => Promise.resolve(Response.json({ data: {} })),
    () => Promise.resolve(new Response('<h1>Welcome</h1>', { headers: { 'content-type': 'text/html' } })),
    () => Promise.reject(new TypeError('fetch failed')),
  ];
  for (const answer of answers) await signedFetch(session, { fetch: answer, attempts: 1 })(server.url, { signal }).catch(() => {});
  for (const source of [session.signal, signal]) {
    assert.equal(getEventListeners(source, 'abort').length, 0);
    for (const name of Object.getOwnPropertySymbols(source)) {
      const kept = (source as unknown as Record<symbol, { size?: number } | null>)[name]; // those made by AbortSignal.any are kept in Node.js 20
      assert.ok(!kept?.size, String(name));
    }
  }
});

test('many requests at once, also with one signal, bring no warning', async () => {
  const warnings: string[] = [];
  const note = ({ message }: Error) => warnings.push(message);
  process.on('warning', note);
  const session = newSession();
  const { signal } = new AbortController();
  const send = signedFetch(session);
  const body = JSON.stringify({ query: '{ viewer { id } }' });
  const headers = { 'content-type': 'application/json' };
  await Promise.all(Array.from({ length: 30 }, () => send(server.url, { method: 'POST', headers, body, signal })));
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', note);
  assert.deepEqual(warnings, []);
});

test('a caller may give up, also between two tries', async () => {
  const control = new AbortController();
  const failing: typeof fetch = async () => {
    queueMicrotask(() => control.abort(new Error('enough')));
    throw new TypeError('fetch failed');
  };
  const send = signedFetch(newSession(), { fetch: failing, attempts: Infinity });
  await assert.rejects(send(server.url, { signal: control.signal }), { message: 'enough' });
});
