import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import { test } from 'node:test';
import type { TestContext } from 'node:test';

import { follow, Identity, Session, signedFetch } from '@syncline/client';
import type { SessionOptions } from '@syncline/client';
import { createEventSource } from '@syncline/client/graphql-sse';
import { createSocket } from '@syncline/client/graphql-ws';
import { listen } from 'syncline-testing';
import WebSocket, { WebSocketServer } from 'ws';

import { call } from './call.js';

/** A server that is none of ours, and a session for it. */
async function pretend(t: TestContext, answer: RequestListener, options: Partial<SessionOptions> = {}) {
  const http = createServer(answer);
  const url = `http://127.0.0.1:${await listen(http)}/graphql`;
  t.after(() => {
    http.closeAllConnections();
    http.close();
  });
  return { http, url, session: new Session({ url, identity: Identity.create(), ...options }) };
}

const viewer = (url: string, send: typeof fetch) => call<{ viewer: { id: string } }>(url, send, '{ viewer { id } }');

const NEXT_DECADE = '2036-06-01T00:00:00Z';

const expired: RequestListener = (_, response) => {
  const extensions = { code: 'SIGNATURE_EXPIRED', serverTime: NEXT_DECADE };
  response.writeHead(401, { 'content-type': 'application/graphql-response+json' });
  response.end(JSON.stringify({ errors: [{ message: 'sign again', extensions }] }));
};

/** The years in which signatures were made. */
function noteYears(years: number[], signatureInput: string | undefined): void {
  years.push(new Date(Number(/created=(\d+)/.exec(signatureInput!)![1]) * 1000).getUTCFullYear());
}

test('a server cannot make a device sign for another year', async (t) => {
  const years: number[] = [];
  const { http, url, session } = await pretend(t, (request, response) => {
    noteYears(years, request.headers['signature-input'] as string);
    expired(request, response);
  });
  const sockets = new WebSocketServer({ server: http });
  sockets.on('connection', (socket) => {
    socket.on('message', (message) => {
      noteYears(years, JSON.parse(message.toString()).payload['signature-input']);
      socket.close(4403, JSON.stringify({ code: 'SIGNATURE_EXPIRED', serverTime: NEXT_DECADE }));
    });
  });
  const refused = { code: 'CLOCK_WRONG', message: /\d{4} days apart/ };
  await assert.rejects(viewer(url, signedFetch(session)), refused);
  await assert.rejects(follow(createSocket(session, { webSocketImpl: WebSocket })).run(), refused);
  await assert.rejects(follow(createEventSource(session)).run(), refused);
  assert.deepEqual(new Set(years), new Set([new Date().getUTCFullYear()]));
  assert.equal(years.length, 3);
});

test('an app may let the server correct its clock by any time', async (t) => {
  let asked = 0;
  const years: number[] = [];
  const { url, session } = await pretend(t, (request, response) => {
    noteYears(years, request.headers['signature-input'] as string);
    if (asked++ === 0) return expired(request, response);
    return response.writeHead(200, { 'content-type': 'application/json' }).end('{"data":{"viewer":{"id":"served"}}}');
  }, { clockCorrection: Infinity });
  assert.equal((await viewer(url, signedFetch(session))).viewer.id, 'served');
  assert.equal(years[1], 2036);
});

test('only the session’s own server gets its certificate', async (t) => {
  const seen: (string | undefined)[] = [];
  const note: RequestListener = (request, response) => {
    seen.push(request.headers.authorization);
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"data":{}}');
  };
  const own = await pretend(t, note, { certificate: 'AAAA' });
  const other = await pretend(t, note);
  const send = signedFetch(own.session);
  await send(other.url);
  await send(new URL('/other', own.url));
  assert.deepEqual(seen, [undefined, 'Bearer AAAA']);
});

test('an answer without end is given up', async (t) => {
  let sent = 0;
  const { url, session } = await pretend(t, (_, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    const piece = Buffer.alloc(1 << 20, ' ');
    const more = () => {
      while (!response.destroyed) {
        sent += piece.length;
        if (!response.write(piece)) return response.once('drain', more);
      }
      return response;
    };
    more();
  });
  await assert.rejects(viewer(url, signedFetch(session)), { code: 'PROTOCOL', message: /64 MiB/ });
  assert.ok(sent < 128 << 20, `${sent} bytes`);
});

test('an event without end is given up', async (t) => {
  const { url, session } = await pretend(t, (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('event: next\ndata: ');
    const piece = Buffer.alloc(1 << 20, 'x');
    const more = () => {
      while (!response.destroyed) if (!response.write(piece)) return response.once('drain', more);
      return response;
    };
    more();
  });
  assert.ok(url);
  await assert.rejects(follow(createEventSource(session)).run(), { code: 'PROTOCOL', message: /16 MiB/ });
});
