import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { ApolloClient, gql, InMemoryCache } from '@apollo/client';
import { Identity, Session, signedFetch } from '@syncline/client';
import { synclineLink, typePolicies } from '@syncline/client/apollo';
import { createSocket } from '@syncline/client/graphql-ws';
import { keys, liveExchange, mutationIdExchange, recordsExchange, resolvers, signedOptions } from '@syncline/client/urql';
import { cacheExchange as documentCache, Client, fetchExchange } from '@urql/core';
import type { Exchange } from '@urql/core';
import { cacheExchange as graphcache } from '@urql/exchange-graphcache';
import { Server, until } from 'syncline-testing';
import WebSocket from 'ws';

import { set } from './call.js';

let server: Server;
before(async () => (server = await Server.start()));
after(() => server.stop());

const RECORD = 'query One($id: ID!) { record(id: $id) { id data revision } }';
const RECORDS = 'query Some($ids: [ID!]!) { records(ids: $ids) { id data revision } }';
const CHANGES = 'subscription { recordChanged { kind record { id data revision } } }';
const SET = 'mutation ($input: SetRecordInput!) { setRecord(input: $input) { status record { id data revision } } }';

type Shown = { id: string; revision: number } | null;
const revisions = (shown: readonly Shown[]) => shown.map((record) => record?.revision ?? null);

function open() {
  const session = new Session({ url: server.url, identity: Identity.create() });
  const elsewhere = signedFetch(new Session({ url: server.url, identity: session.identity }));
  return {
    session,
    socket: createSocket(session, { webSocketImpl: WebSocket }),
    /** As another device does. */
    write: (id: string, revision = 0) => set(server.url, elsewhere, id, 'text', revision),
  };
}

test('Apollo Client: queries that found no record show it once it is there, by a subscription and by a write', async () => {
  const { session, socket, write } = open();
  const client = new ApolloClient({ link: synclineLink(session, socket), cache: new InMemoryCache({ typePolicies }) });
  let one: Shown | undefined;
  let some: readonly Shown[] = [];
  const queries = [
    client.watchQuery<{ record: Shown }>({ query: gql(RECORD), variables: { id: 'a' } }).subscribe(({ data }) => (one = data?.record as Shown)),
    client.watchQuery<{ records: Shown[] }>({ query: gql(RECORDS), variables: { ids: ['b', 'a', 'c'] } }).subscribe(({ data }) => (some = (data?.records ?? []) as Shown[])),
  ];
  await until(() => one === null && some.length === 3);
  assert.deepEqual(some, [null, null, null]);
  let live = false;
  const subscription = client.subscribe<{ recordChanged: { kind: string } }>({ query: gql(CHANGES) }).subscribe(() => (live = true));
  await until(() => live);
  await write('a');
  await until(() => one?.revision === 1);
  await until(() => some[1]?.revision === 1);
  subscription.unsubscribe();
  await client.mutate({ mutation: gql(SET), variables: { input: { id: 'c', data: '' } } });
  await until(() => some[2]?.revision === 2);
  assert.deepEqual(revisions(some), [null, 1, 2]);
  for (const query of queries) query.unsubscribe();
  await socket.dispose();
});

function urql(session: Session, socket: ReturnType<typeof open>['socket'], ...caching: Exchange[]) {
  const exchanges = [mutationIdExchange(), ...caching, fetchExchange, liveExchange(socket)];
  const client = new Client({ ...signedOptions(session), preferGetMethod: false, exchanges });
  const shown: { one: Shown | undefined; some: readonly Shown[] } = { one: undefined, some: [] };
  const stops = [
    client.query(RECORD, { id: 'a' }).subscribe(({ data }) => (shown.one = data?.record)).unsubscribe,
    client.query(RECORDS, { ids: ['b', 'a', 'c'] }).subscribe(({ data }) => (shown.some = data?.records ?? [])).unsubscribe,
  ];
  return { client, shown, stop: () => stops.forEach((stop) => stop()) };
}

test('Graphcache: queries that found no record show it once it is there, by a subscription and by a write', async () => {
  const { session, socket, write } = open();
  const { client, shown, stop } = urql(session, socket, graphcache({ keys, resolvers }));
  await until(() => shown.one === null && shown.some.length === 3);
  assert.deepEqual(shown.some, [null, null, null]);
  let live = false;
  const subscription = client.subscription(CHANGES, {}).subscribe(() => (live = true));
  await until(() => live);
  await write('a');
  await until(() => shown.one?.revision === 1);
  await until(() => shown.some[1]?.revision === 1);
  subscription.unsubscribe();
  await client.mutation(SET, { input: { id: 'c', data: '' } }).toPromise();
  await until(() => shown.some[2]?.revision === 2);
  assert.deepEqual(revisions(shown.some), [null, 1, 2]);
  stop();
  await socket.dispose();
});

test('urql’s document cache: a write refreshes queries that found no record', async () => {
  const { session, socket } = open();
  const { client, shown, stop } = urql(session, socket, recordsExchange(), documentCache);
  await until(() => shown.one === null && shown.some.length === 3);
  await client.mutation(SET, { input: { id: 'a', data: '' } }).toPromise();
  await until(() => shown.one?.revision === 1);
  await until(() => shown.some[1]?.revision === 1);
  stop();
  await socket.dispose();
});

test('Apollo Client: the options of HttpLink are passed on', async () => {
  const { session, socket } = open();
  const sent: RequestInit[] = [];
  const spying: typeof fetch = (input, init) => (sent.push(init!), fetch(input, init));
  const link = synclineLink(session, socket, {
    fetch: spying,
    headers: { 'apollographql-client-name': 'notes' },
    credentials: 'include',
    useGETForQueries: true,
  });
  const client = new ApolloClient({ link, cache: new InMemoryCache({ typePolicies }) });
  const { data } = await client.query<{ viewer: { id: string } }>({ query: gql`{ viewer { id } }` });
  assert.equal(data?.viewer.id, session.identity.publicKey);
  assert.deepEqual([sent[0]!.method, sent[0]!.credentials], ['GET', 'include']);
  assert.equal(new Headers(sent[0]!.headers).get('apollographql-client-name'), 'notes');
  await socket.dispose();
});
