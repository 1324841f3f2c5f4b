import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { TestContext } from 'node:test';

import { ApolloClient, gql, InMemoryCache } from '@apollo/client';
import { Identity, Session, signedFetch } from '@syncline/client';
import type { Subscriber } from '@syncline/client';
import { synclineLink, typePolicies } from '@syncline/client/apollo';
import { createEventSource } from '@syncline/client/graphql-sse';
import { createSocket } from '@syncline/client/graphql-ws';
import { liveExchange, signedOptions } from '@syncline/client/urql';
import { cacheExchange, Client, fetchExchange } from '@urql/core';
import type { Client as Socket } from 'graphql-ws';
import { Server, until } from 'syncline-testing';
import WebSocket from 'ws';

import { set } from './call.js';
import { Relay } from './relay.js';

let server: Server;
before(async () => (server = await Server.start()));
after(() => server.stop());

/** How documents may ask for an event; `change` is what all have of it. */
const documents = {
  'no cursor': 'subscription ($since: Cursor) { change: recordChanged(since: $since) { kind record { id } } }',
  'a cursor under another name': 'subscription ($since: Cursor) { change: recordChanged(since: $since) { kind at: cursor record { id } } }',
  'a fragment': `subscription ($since: Cursor) { change: recordChanged(since: $since) { ...Change } }
    fragment Change on RecordChange { kind position: cursor record { id } }`,
};

interface Event {
  change: { kind: string; record: { id: string } | null };
}
type Live = (session: Session, client: Subscriber, query: string, since: string | null, next: (event: Event) => void) => () => void;

const transports: [name: string, make: (session: Session) => Subscriber & { dispose(): unknown }][] = [
  ['graphql-ws', (session) => createSocket(session, { webSocketImpl: WebSocket })],
  ['graphql-sse', (session) => createEventSource(session)],
];

const libraries: [name: string, live: Live][] = [
  ['by itself', (_, client, query, since, next) =>
    client.subscribe({ query, variables: { since } }, { next: ({ data }) => next(data as Event), error: assert.fail, complete() {} })],
  ['with Apollo Client', (session, client, query, since, next) => {
    const apollo = new ApolloClient({ link: synclineLink(session, client as Socket), cache: new InMemoryCache({ typePolicies }) });
    const subscription = apollo.subscribe<Event>({ query: gql(query), variables: { since } }).subscribe(({ data }) => next(data!));
    return () => subscription.unsubscribe();
  }],
  ['with urql', (session, client, query, since, next) => {
    const urql = new Client({ ...signedOptions(session), preferGetMethod: false, exchanges: [cacheExchange, fetchExchange, liveExchange(client)] });
    return urql.subscription(query, { since }).subscribe(({ data }) => next(data)).unsubscribe;
  }],
];

async function relayed(t: TestContext) {
  const relay = await Relay.start(server.port);
  t.after(() => relay.stop());
  const identity = Identity.create();
  const direct = signedFetch(new Session({ url: server.url, identity }));
  return { relay, session: new Session({ url: relay.url, identity }), write: (id: string) => set(server.url, direct, id, id) };
}

for (const [transport, make] of transports) {
  for (const [library, live] of libraries) {
    for (const [what, query] of Object.entries(documents)) {
      for (const since of [null, '0']) {
        test(`${transport} ${library}: a document with ${what}, since ${since}, misses nothing and repeats nothing`, async (t) => {
          const { relay, session, write } = await relayed(t);
          const client = make(session);
          const seen: string[] = [];
          let caughtUp = 0;
          const stop = live(session, client, query, since, ({ change }) => (change.record ? seen.push(change.record.id) : caughtUp++));
          await until(() => caughtUp === 1);
          await write('a');
          await until(() => seen.length === 1);
          relay.closed = true;
          relay.cut();
          await write('while away');
          relay.closed = false;
          await until(() => caughtUp === 2);
          await write('b');
          await until(() => seen.includes('b'));
          assert.deepEqual(seen, ['a', 'while away', 'b']);
          stop();
          await client.dispose();
        });
      }
    }
  }
}

test('graphql-ws: what is resumed is what runs, however many operations were left while events were under way', async (t) => {
  const { relay, session, write } = await relayed(t);
  for (const id of ['a', 'b', 'c']) await write(id);
  const inits: Record<string, string>[] = [];
  class Noting extends WebSocket {
    override send(...args: unknown[]): void {
      const { type, payload } = JSON.parse(String(args[0])) as { type: string; payload?: { resume?: Record<string, string> } };
      if (type === 'connection_init') inits.push(payload!.resume ?? {});
      super.send(...(args as [string]));
    }
  }
  const socket = createSocket(session, { webSocketImpl: Noting });
  const query = 'subscription ($since: Cursor) { recordChanged(since: $since) { kind } }';
  let caughtUp = 0;
  const stay = socket.subscribe({ query }, { next: () => caughtUp++, error: assert.fail, complete() {} });
  await until(() => caughtUp === 1);
  for (let left = 0, had = 0; left < 150; had = ++left) {
    const stop = socket.subscribe({ query, variables: { since: '0' } }, { next: () => (stop(), had++), error: assert.fail, complete() {} });
    await until(() => had > left);
  }
  relay.cut();
  await until(() => caughtUp === 2);
  assert.deepEqual(Object.keys(inits.at(-1)!), ['1']);
  stay();
  await socket.dispose();
});
