import { makeOperation, mapExchange, subscriptionExchange } from '@urql/core';
import type { Client, Exchange } from '@urql/core';
import type { DocumentNode } from 'graphql';

import { signedFetch } from './fetch.js';
import type { SignedFetchOptions } from './fetch.js';
import type { Sink } from './iterate.js';
import { withMutationIds } from './mutation-id.js';
import type { Session } from './session.js';
import type { Subscriber } from './types.js';

/** The `url` and `fetch` of a client. Its default GET queries are signed too. */
export function signedOptions(session: Session, options: SignedFetchOptions = {}): { url: string; fetch: typeof fetch } {
  return { url: session.url.href, fetch: signedFetch(session, options) };
}

/** Gives each write a mutation id, which makes sending it again safe. Stands before `fetchExchange`. */
export function mutationIdExchange(): Exchange {
  return mapExchange({
    onOperation(operation) {
      if (operation.kind !== 'mutation') return operation;
      const variables = withMutationIds(operation.query as DocumentNode, (operation.variables ?? {}) as Record<string, unknown>);
      return { ...operation, variables };
    },
  });
}

/**
 * For urql's document cache, before which it stands: lets every write refresh all
 * queries that may show records, also those that found none so far. Graphcache
 * needs {@link resolvers} instead.
 */
export function recordsExchange(): Exchange {
  return mapExchange({
    onOperation(operation) {
      if (operation.kind !== 'query') return operation;
      const additionalTypenames = [...(operation.context.additionalTypenames ?? []), 'Record'];
      return makeOperation(operation.kind, operation, { ...operation.context, additionalTypenames });
    },
  });
}

/** Subscriptions over a client of `@syncline/client/graphql-ws` or `/graphql-sse`. */
export function liveExchange(subscriber: Subscriber): Exchange {
  return subscriptionExchange({
    forwardSubscription: ({ query = '', variables }) => ({
      subscribe: (sink) => ({
        unsubscribe: subscriber.subscribe({ query, variables: variables as Record<string, unknown> }, sink as Sink<unknown>),
      }),
    }),
  });
}

/** What Graphcache needs to tell Syncline's objects apart: give it to `cacheExchange`. */
export const keys: Record<string, (data: { [field: string]: unknown }) => string | null> = {
  Record: (data) => (data['id'] as string | undefined) ?? null,
  Lock: (data) => (data['name'] as string | undefined) ?? null,
  Viewer: () => 'viewer',
  Limits: () => 'limits',
  LockHolder: () => null,
  ChangePage: () => null,
  RecordChange: () => null,
  WriteRecordPayload: () => null,
  WriteRecordsPayload: () => null,
  SetLockPayload: () => null,
};

/** What of Graphcache's `Cache` is used, so that its package is needed by those only who use it. */
interface GraphcacheLike {
  resolve(entity: any, field: string, args?: any): unknown;
  keyOfEntity(data: any): string | null;
}

/**
 * Lets queries that found no record show it once Graphcache knows it, from a
 * subscription or a write: give it to `cacheExchange` beside `keys`.
 */
export const resolvers = {
  Query: {
    record: (_: unknown, args: { id?: unknown }, cache: GraphcacheLike) => known(cache, cache.resolve('Query', 'record', args), args.id),
    records: (_: unknown, args: { ids?: unknown }, cache: GraphcacheLike) => {
      const found = cache.resolve('Query', 'records', args);
      return Array.isArray(found) ? found.map((record, i) => known(cache, record, (args.ids as unknown[])[i])) : (found as undefined);
    },
  },
};

/** The key of what was found; where that is nothing, of the record that is known by now. */
function known(cache: GraphcacheLike, found: unknown, id: unknown): string | null | undefined {
  const record = { __typename: 'Record', id };
  return found === null && cache.resolve(record, 'id') ? cache.keyOfEntity(record) : (found as string | null | undefined);
}

/** A client of its own, with its cache, for each identity: urql's caches cannot be emptied. */
export interface Clients {
  /** The present identity's. */
  current(): Client;
  /** Calls listener when there is another one: both fit React's `useSyncExternalStore`. */
  subscribe(listener: () => void): () => void;
}

/** Makes a client anew, by `make`, whenever the session's identity changes. */
export function clientPerIdentity(session: Session, make: () => Client): Clients {
  let client = make();
  const listeners = new Set<() => void>();
  session.onSwitch(() => {
    client = make();
    for (const listener of listeners) listener();
  });
  return {
    current: () => client,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
