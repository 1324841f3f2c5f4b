import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';

import { ApolloClient, gql, HttpLink, InMemoryCache } from '@apollo/client';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { Identity, Session, signedFetch } from '@syncline/client';
import { signedOptions } from '@syncline/client/urql';
import { Client, fetchExchange } from '@urql/core';
import { persistedExchange } from '@urql/exchange-persisted';
import { Server } from 'syncline-testing';

let server: Server;
before(async () => (server = await Server.start()));
after(() => server.stop());

interface Sent {
  method: string;
  query: boolean;
  hash: boolean;
}

/** Tells what goes out. */
function watched(sent: Sent[]): typeof fetch {
  return (input, init) => {
    const method = init!.method!;
    const { query, extensions }: { query?: string; extensions?: unknown } =
      method === 'GET'
        ? Object.fromEntries(new URL(String(input)).searchParams)
        : JSON.parse(new TextDecoder().decode(init!.body as Uint8Array));
    sent.push({ method, query: Boolean(query), hash: JSON.stringify(extensions ?? '').includes('sha256Hash') });
    return fetch(input, init);
  };
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

/** The hash, the document when the server does not know it yet, and from then on the hash. */
const exchange = (method: string, resent = method): Sent[] => [
  { method, query: false, hash: true },
  { method: resent, query: true, hash: true },
  { method, query: false, hash: true },
];

for (const useGETForHashedQueries of [false, true]) {
  test(`Apollo’s persisted queries, ${useGETForHashedQueries ? 'GET' : 'POST'}`, async () => {
    const sent: Sent[] = [];
    const session = new Session({ url: server.url, identity: Identity.create() });
    const client = new ApolloClient({
      link: new PersistedQueryLink({ sha256, useGETForHashedQueries }).concat(
        new HttpLink({ uri: session.url.href, fetch: signedFetch(session, { fetch: watched(sent) }) }),
      ),
      cache: new InMemoryCache(),
    });
    const VIEWER = useGETForHashedQueries ? gql`query ByGet { viewer { id head } }` : gql`query ByPost { viewer { id head } }`;
    for (let i = 0; i < 2; i++) {
      const { data } = await client.query<{ viewer: { id: string } }>({ query: VIEWER, fetchPolicy: 'network-only' });
      assert.equal(data?.viewer.id, session.identity.publicKey);
    }
    assert.deepEqual(sent, exchange(useGETForHashedQueries ? 'GET' : 'POST', 'POST'));
  });
}

for (const get of [false, 'force'] as const) {
  test(`urql’s persisted queries, ${get ? 'GET' : 'POST'}`, async () => {
    const sent: Sent[] = [];
    const session = new Session({ url: server.url, identity: Identity.create() });
    const client = new Client({
      ...signedOptions(session, { fetch: watched(sent) }),
      preferGetMethod: false,
      exchanges: [persistedExchange({ preferGetForPersistedQueries: get, generateHash: async (text) => sha256(text) }), fetchExchange],
    });
    const query = `query Urql${get ? 'Get' : 'Post'} { viewer { id head } }`;
    for (let i = 0; i < 2; i++) {
      const { data, error } = await client.query(query, {}).toPromise();
      assert.equal(error, undefined);
      assert.equal(data.viewer.id, session.identity.publicKey);
    }
    assert.deepEqual(sent, exchange(get ? 'GET' : 'POST'));
  });
}
