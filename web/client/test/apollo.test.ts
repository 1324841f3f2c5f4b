import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { ApolloClient, gql, InMemoryCache } from '@apollo/client';
import { encodeText, Identity, Session } from '@syncline/client';
import { resetOnSwitch, synclineLink, typePolicies } from '@syncline/client/apollo';
import { createSocket } from '@syncline/client/graphql-ws';
import { Server, until } from 'syncline-testing';
import WebSocket from 'ws';

let server: Server;
before(async () => (server = await Server.start()));
after(() => server.stop());

const RECORD = gql`query ($id: ID!) { record(id: $id) { id data revision } }`;
const SET = gql`mutation ($input: SetRecordInput!) { setRecord(input: $input) { status newRevision record { id data revision } } }`;
const CHANGES = gql`subscription ($since: Cursor) { recordChanged(since: $since) { kind cursor record { id revision } } }`;

function open() {
  const session = new Session({ url: server.url, identity: Identity.create() });
  const socket = createSocket(session, { webSocketImpl: WebSocket });
  const client = new ApolloClient({
    link: synclineLink(session, socket, { attempts: Infinity }),
    cache: new InMemoryCache({ typePolicies }),
  });
  resetOnSwitch(client, session);
  return { session, socket, client };
}

async function write(client: ApolloClient, id: string, revision = 0) {
  const { data } = await client.mutate<{ setRecord: { status: string; record: { revision: number } } }>({
    mutation: SET,
    variables: { input: { id, data: encodeText(id), revision } },
  });
  return data!.setRecord;
}

test('Apollo Client: writes, learns of a conflict, reads from the cache what it wrote', async () => {
  const { client, socket } = open();
  assert.equal((await write(client, 'a')).status, 'SUCCESS');
  const conflict = await write(client, 'a');
  assert.deepEqual([conflict.status, conflict.record.revision], ['CONFLICT', 1]);
  const cached = client.readQuery<{ record: { revision: number } }>({ query: RECORD, variables: { id: 'a' } });
  assert.equal(cached?.record.revision, 1);
  await socket.dispose();
});

test('Apollo Client: a subscription goes on across a server that is killed', async () => {
  const { client, socket } = open();
  const revisions: number[] = [];
  let caughtUp = 0;
  const subscription = client
    .subscribe<{ recordChanged: { kind: string; record: { revision: number } | null } }>({ query: CHANGES, variables: { since: '0' } })
    .subscribe(({ data }) => {
      if (data?.recordChanged.record) revisions.push(data.recordChanged.record.revision);
      else caughtUp++;
    });
  await until(() => caughtUp === 1);
  await write(client, 'a');
  await write(client, 'b');
  await until(() => revisions.length === 2);
  await server.kill();
  const away = write(client, 'c');
  await server.start();
  await away;
  await until(() => caughtUp >= 2 && revisions.length >= 3);
  await write(client, 'd');
  await until(() => revisions.length >= 4);
  assert.deepEqual(revisions, [1, 2, 3, 4]);
  subscription.unsubscribe();
  await socket.dispose();
});

test('Apollo Client: another identity sees nothing of the first one’s cache', async () => {
  const { client, session, socket } = open();
  await write(client, 'secret');
  const variables = { id: 'secret' };
  assert.ok(client.readQuery({ query: RECORD, variables }));
  await session.switchTo(Identity.create());
  assert.equal(client.readQuery({ query: RECORD, variables }), null);
  assert.ok(!JSON.stringify(client.extract()).includes('secret'));
  const { data } = await client.query<{ record: unknown }>({ query: RECORD, variables });
  assert.equal(data?.record, null);
  await socket.dispose();
});

test('Apollo Client: an erasure whose answer is lost is sent again under its mutation id, and answered as before', async () => {
  const session = new Session({ url: server.url, identity: Identity.create() });
  const socket = createSocket(session, { webSocketImpl: WebSocket });
  let lost = 0;
  const losing: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    if (lost++ > 0) return response;
    throw new TypeError('the connection was cut');
  };
  const setting = new ApolloClient({ link: synclineLink(session, socket), cache: new InMemoryCache({ typePolicies }) });
  await write(setting, 'a');
  const client = new ApolloClient({ link: synclineLink(session, socket, { fetch: losing }), cache: new InMemoryCache({ typePolicies }) });
  const { data } = await client.mutate<{ eraseAccount: { erasedRecords: number } }>({
    mutation: gql`mutation ($input: EraseAccountInput!) { eraseAccount(input: $input) { erasedRecords } }`,
    variables: { input: { owner: session.identity.publicKey } },
  });
  assert.deepEqual([data?.eraseAccount.erasedRecords, lost], [1, 2]);
  await socket.dispose();
});
