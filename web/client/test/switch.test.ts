import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';

import { Identity, Session, signedFetch } from '@syncline/client';
import { createSocket } from '@syncline/client/graphql-ws';
import { Server, until } from 'syncline-testing';
import WebSocket from 'ws';

import { call, SET } from './call.js';

let server: Server;
before(async () => (server = await Server.start()));
after(() => server.stop());

test('graphql-ws: a write that waits for a server is not made for another identity', async () => {
  const session = new Session({ url: server.url, identity: Identity.create() });
  let waiting = false;
  let goOn = () => {};
  let connections = 0;
  class Counted extends WebSocket {
    constructor(...args: ConstructorParameters<typeof WebSocket>) {
      super(...args);
      connections++;
    }
  }
  const retryWait = () => new Promise<void>((resolve) => ((waiting = true), (goOn = resolve)));
  const socket = createSocket(session, { webSocketImpl: Counted, retryWait });
  const write = (id: string) =>
    new Promise<void>((resolve, reject) => {
      const variables = { input: { id, data: '', mutationId: id } };
      socket.subscribe({ query: SET, variables }, { next: () => {}, error: reject, complete: resolve });
    });

  await server.kill();
  const refused = assert.rejects(write('old'), { code: 'IDENTITY_CHANGED' });
  await until(() => waiting);
  await session.switchTo(Identity.create());
  await refused;
  await server.start();
  connections = 0;
  goOn();
  await write('new');
  assert.equal(connections, 1);
  const { changes } = await call<{ changes: unknown }>(server.url, signedFetch(session), '{ changes { records { id } } }');
  assert.deepEqual(changes, { records: [{ id: 'new' }] });
  await socket.dispose();
});

test('one listener that fails keeps no other from hearing of the new identity', async () => {
  const session = new Session({ url: server.url, identity: Identity.create() });
  let heard = 0;
  session.onSwitch(() => {
    throw new Error('a cache that cannot be emptied');
  });
  session.onSwitch(() => void heard++);
  await assert.rejects(session.switchTo(Identity.create()), { message: 'a cache that cannot be emptied' });
  assert.equal(heard, 1);
});

test('a caller that throws as the identity changes keeps no request of another caller alive', async () => {
  const session = new Session({ url: server.url, identity: Identity.create() });
  const waiting: (() => void)[] = [];
  const busy: typeof fetch = () => {
    const answer = Response.json({ errors: [{ message: 'busy', extensions: { code: 'UNAVAILABLE', retryAfterMs: 60_000 } }] }, { status: 503 });
    return new Promise((resolve) => waiting.push(() => resolve(answer)));
  };
  const socket = createSocket(session, { webSocketImpl: WebSocket });
  const careless = () => {
    throw new Error('careless');
  };
  socket.subscribe({ query: 'subscription { recordChanged { cursor } }' }, { next: () => {}, error: careless, complete: () => {} });
  const refused = assert.rejects(call(server.url, signedFetch(session, { fetch: busy }), '{ viewer { id } }'), { code: 'IDENTITY_CHANGED' });
  await until(() => waiting.length === 1);
  waiting[0]!();
  const listeners = process.listeners('unhandledRejection'); // the test runner's, for which it is a failure
  process.removeAllListeners('unhandledRejection');
  const reported = once(process, 'unhandledRejection');
  await session.switchTo(Identity.create());
  assert.equal((await reported)[0].message, 'careless');
  for (const listener of listeners) process.on('unhandledRejection', listener);
  await refused;
  await socket.dispose();
});
