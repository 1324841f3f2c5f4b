import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { follow, Identity, Session, signedFetch } from '@syncline/client';
import { createEventSource } from '@syncline/client/graphql-sse';
import { createSocket } from '@syncline/client/graphql-ws';
import { Server } from 'syncline-testing';
import WebSocket from 'ws';

import { set } from './call.js';

let server: Server;
let certificate: string;
before(async () => {
  const { authority, leaf } = issue();
  certificate = leaf;
  server = await Server.start({ CA_CERT: authority });
});
after(() => server.stop());

/** An authority's certificate and one that it issued, as base64 of their DER. */
function issue(): { authority: string; leaf: string } {
  const directory = mkdtempSync(join(tmpdir(), 'certificates-'));
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: directory, stdio: 'pipe' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=An authority');
  openssl('req', ...key, '-keyout', 'leaf.key', '-out', 'leaf.csr', '-subj', '/CN=An app');
  openssl('x509', '-req', '-in', 'leaf.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-out', 'leaf.pem');
  const read = (name: string) => new X509Certificate(readFileSync(join(directory, name))).raw.toString('base64');
  const issued = { authority: read('ca.pem'), leaf: read('leaf.pem') };
  rmSync(directory, { recursive: true });
  return issued;
}

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
