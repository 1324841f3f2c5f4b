import { ApolloLink } from '@apollo/client/link';
import { HttpLink } from '@apollo/client/link/http';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import type { ApolloClient, FieldFunctionOptions, Reference, TypePolicies } from '@apollo/client';
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

/** What signing needs, and what HttpLink takes: `headers`, `credentials`, `useGETForQueries` and the rest. */
export interface SignedLinkOptions extends SignedFetchOptions, Omit<HttpLink.Options, 'uri' | 'fetch'> {}

/** Signed queries and mutations. */
export function signedHttpLink(session: Session, options: SignedLinkOptions = {}): ApolloLink {
  return ApolloLink.from([
    mutationIdLink(),
    new HttpLink({ ...options, uri: session.url.href, fetch: signedFetch(session, options) }),
  ]);
}

/**
 * Queries and mutations over signed HTTP, subscriptions over the socket that
 * `createSocket` of `@syncline/client/graphql-ws` made for the same session.
 */
export function synclineLink(session: Session, socket: Client, options: SignedLinkOptions = {}): ApolloLink {
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
      record: (existing, { args, ...cache }) => known(existing, 'Record', { id: args?.['id'] }, cache),
      records: (existing: readonly unknown[] | undefined, { args, ...cache }) =>
        existing?.map((record, i) => known(record, 'Record', { id: (args?.['ids'] as string[])[i] }, cache)),
      lock: (existing, { args, ...cache }) => known(existing, 'Lock', { name: args?.['name'] }, cache),
    },
  },
};

/**
 * What a query shows that found something, found that there is nothing (null), or
 * was not asked yet (undefined): in the last cases what the cache knows by now
 * from elsewhere, a subscription or a write.
 */
function known<T>(
  existing: T | null | undefined,
  __typename: string,
  key: Record<string, unknown>,
  { toReference, canRead }: Pick<FieldFunctionOptions, 'toReference' | 'canRead'>,
): T | Reference | null | undefined {
  if (existing !== undefined && existing !== null) return existing;
  const reference = toReference({ __typename, ...key });
  return existing === undefined || canRead(reference) ? reference : null;
}

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
