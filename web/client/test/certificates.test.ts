import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { follow, Identity, Session, signedFetch } from '@syncline/client';
import { createEventSource } from '@syncline/client/graphql-sse';
import { createSocket } from '@syncline/client/graphql-ws';
import { issueCertificate, Server } from 'syncline-testing';
import WebSocket from 'ws';

import { set } from './call.js';

let server: Server;
let certificate: string;
before(async () => {
  const { authority, leaf } = issueCertificate();
  certificate = leaf;
  server = await Server.start({ CA_CERT: authority });
});
after(() => server.stop());

const newSession = (given: { certificate?: string }) =>
  new Session({ url: server.url, identity: Identity.create(), ...given });

const transports = {
  'graphql-ws': (session: Session) => createSocket(session, { webSocketImpl: WebSocket }),
  'graphql-sse': (session: Session) => createEventSource(session),
};

test('signedFetch sends the certificate of the API key', async () => {
  const session = newSession({ certificate });
  assert.equal((await set(server.url, signedFetch(session), 'a', 'text')).status, 'SUCCESS');
  await assert.rejects(set(server.url, signedFetch(newSession({})), 'a', 'text'), { code: 'FORBIDDEN' });
});

test('the certificate may be in lines, as the tool base64 writes it', async () => {
  const session = newSession({ certificate: certificate.replace(/.{1,76}/g, '$&\n') });
  assert.equal((await set(server.url, signedFetch(session), 'a', 'text')).status, 'SUCCESS');
});

for (const [name, make] of Object.entries(transports)) {
  test(`${name} sends the certificate of the API key`, async () => {
    const client = make(newSession({ certificate }));
    for await (const { kind } of follow(client)) {
      assert.equal(kind, 'CAUGHT_UP');
      break;
    }
    await client.dispose();
    const refused = make(newSession({}));
    await assert.rejects(follow(refused).run(), { code: 'FORBIDDEN' });
    await refused.dispose();
  });
}
