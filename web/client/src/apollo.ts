import { ApolloLink } from '@apollo/client/link';
import { HttpLink } from '@apollo/client/link/http';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import type { ApolloClient, TypePolicies } from '@apollo/client';
import type { Client } from 'graphql-ws';

import { signedFetch } from './fetch.js';
import type { SignedFetchOptions } from './fetch.js';
import { withMutationIds } from './mutation-id.js';
import type { Session } from './session.js';

/** Gives each write a mutation id, which makes sending it again safe. */
export function mutationIdLink(): ApolloLink {
  return new ApolloLink((operation, forward) => {
    operation.variables = withMutationIds(operation.query, operation.variables);
    return forward(operation);
  });
}

/** Signed queries and mutations. */
export function signedHttpLink(session: Session, options: SignedFetchOptions = {}): ApolloLink {
  return ApolloLink.from([mutationIdLink(), new HttpLink({ uri: session.url.href, fetch: signedFetch(session, options) })]);
}

/**
 * Queries and mutations over signed HTTP, subscriptions over the socket that
 * `createSocket` of `@syncline/client/graphql-ws` made for the same session.
 */
export function synclineLink(session: Session, socket: Client, options: SignedFetchOptions = {}): ApolloLink {
  return ApolloLink.split(
    ({ operationType }) => operationType === 'subscription',
    new GraphQLWsLink(socket),
    signedHttpLink(session, options),
  );
}

/** How the cache tells Syncline's objects apart: give it to `InMemoryCache`. */
export const typePolicies: TypePolicies = {
  Record: { keyFields: ['id'] },
  Lock: { keyFields: ['name'] },
  Viewer: { keyFields: [] },
  Limits: { keyFields: [] },
  LockHolder: { keyFields: false },
  ChangePage: { keyFields: false },
  RecordChange: { keyFields: false },
  Query: {
    fields: {
      // Null says that there is no such record.
      record: (existing, { args, toReference }) =>
        existing === undefined ? toReference({ __typename: 'Record', id: args?.['id'] as string }) : existing,
      lock: (existing, { args, toReference }) =>
        existing === undefined ? toReference({ __typename: 'Lock', name: args?.['name'] as string }) : existing,
    },
  },
};

/**
 * Empties the cache whenever the session's identity changes, and then fetches
 * active queries again for the new one. Answers how to stop that.
 */
export function resetOnSwitch(client: ApolloClient, session: Session): () => void {
  return session.onSwitch(
    () =>
      new Promise<void>((resolve) => {
        const forget = client.onResetStore(async () => {
          forget();
          resolve();
        });
        // A query that fails reports that itself.
        client.resetStore().then(() => resolve(), () => resolve());
      }),
  );
}
