import assert from 'node:assert/strict';
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
