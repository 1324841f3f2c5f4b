import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { encodeText, Identity, Session } from '@syncline/client';
import { createSocket } from '@syncline/client/graphql-ws';
import { clientPerIdentity, keys, liveExchange, mutationIdExchange, signedOptions } from '@syncline/client/urql';
import { Client, fetchExchange } from '@urql/core';
import { cacheExchange } from '@urql/exchange-graphcache';
import { Server, until } from 'syncline-testing';
import WebSocket from 'ws';

let server: Server;
before(async () => (server = await Server.start()));
after(() => server.stop());

const RECORD = 'query ($id: ID!) { record(id: $id) { id data revision } }';
const SET = 'mutation ($input: SetRecordInput!) { setRecord(input: $input) { status record { id data revision } } }';
const CHANGES = 'subscription ($since: Cursor) { recordChanged(since: $since) { kind cursor record { id revision } } }';

function open() {
  const session = new Session({ url: server.url, identity: Identity.create() });
  const socket = createSocket(session, { webSocketImpl: WebSocket });
  const methods: string[] = [];
  const counting: typeof fetch = (input, init) => (methods.push(init!.method!), fetch(input, init));
  const clients = clientPerIdentity(
    session,
    () =>
      new Client({
        ...signedOptions(session, { fetch: counting, attempts: Infinity }),
        preferGetMethod: 'within-url-limit',
        exchanges: [mutationIdExchange(), cacheExchange({ keys }), fetchExchange, liveExchange(socket)],
      }),
  );
  return { session, socket, clients, methods };
}

async function write(client: Client, id: string) {
  const { data, error } = await client.mutation(SET, { input: { id, data: encodeText(id) } }).toPromise();
  if (error) throw error;
  return data.setRecord as { status: string; record: { revision: number } };
}

test('urql: writes, learns of a conflict, reads by GET', async () => {
  const { clients, socket, methods } = open();
  const client = clients.current();
  assert.equal((await write(client, 'a')).status, 'SUCCESS');
  assert.equal((await write(client, 'a')).status, 'CONFLICT');
  const { data, error } = await client.query(RECORD, { id: 'a' }).toPromise();
  assert.equal(error, undefined);
  assert.equal(data.record.revision, 1);
  assert.deepEqual(methods, ['POST', 'POST', 'GET']);
  await socket.dispose();
});

test('urql: a subscription goes on across a server that is killed', async () => {
  const { clients, socket } = open();
  const client = clients.current();
  const revisions: number[] = [];
  let caughtUp = 0;
  const { unsubscribe } = client.subscription(CHANGES, { since: '0' }).subscribe(({ data }) => {
    if (data?.recordChanged.record) revisions.push(data.recordChanged.record.revision);
    else if (data) caughtUp++;
  });
  await until(() => caughtUp === 1);
  await write(client, 'a');
  await until(() => revisions.length === 1);
  await server.kill();
  const away = write(client, 'b');
  await server.start();
  await away;
  await until(() => caughtUp >= 2 && revisions.length >= 2);
  await write(client, 'c');
  await until(() => revisions.length >= 3);
  assert.deepEqual(revisions, [1, 2, 3]);
  unsubscribe();
  await socket.dispose();
});

test('urql: another identity has a client of its own, which knows nothing of the first', async () => {
  const { clients, session, socket } = open();
  let told = 0;
  clients.subscribe(() => told++);
  const first = clients.current();
  await write(first, 'secret');
  await session.switchTo(Identity.create());
  assert.equal(told, 1);
  assert.notEqual(clients.current(), first);
  const { data } = await clients.current().query(RECORD, { id: 'secret' }).toPromise();
  assert.equal(data.record, null);
  await socket.dispose();
});
