'use client';

import { createContext, createElement, useContext, useEffect, useMemo, useState, useSyncExternalStore } from 'react';
import type { ReactElement, ReactNode } from 'react';

import type { Status } from './store/status.js';
import type { Store, StoredRecord } from './store/store.js';
import { UNKNOWN } from './store/unknown.js';
import type { Watched } from './store/watch.js';

/** A store, whatever its values are: each hook names their type. */
type AnyStore = Store<any>;

export interface SyncProviderProps {
  /**
   * The store, or what `openStore` answered: a promise that is made once, not while rendering. Undefined where there is
   * none, as on a server. It may become another one, such as when another user takes over.
   */
  store: AnyStore | PromiseLike<AnyStore> | undefined;
  children?: ReactNode;
}

/** Undefined: there is no store yet; null: there is no provider. */
const Provided = createContext<AnyStore | undefined | null>(null);

/** Gives the components below it a store. If it cannot be opened, the nearest error boundary gets the error. */
export function SyncProvider({ store, children }: SyncProviderProps): ReactElement {
  const [opened, setOpened] = useState<{ by: unknown; store?: AnyStore; failure?: { error: unknown } }>();
  const opening = store && 'then' in store ? store : undefined;
  useEffect(() => {
    let over = false;
    const done = (result: Omit<NonNullable<typeof opened>, 'by'>) => over || setOpened({ by: opening, ...result });
    opening?.then((store) => done({ store }), (error: unknown) => done({ failure: { error } }));
    return () => {
      over = true;
    };
  }, [opening]);
  const own = opened?.by === opening ? opened : undefined; // not that of another promise
  if (own?.failure) throw own.failure.error;
  return createElement(Provided.Provider, { value: opening ? own?.store : (store as AnyStore | undefined) }, children);
}

/** The store, to write with; undefined until it is open. */
export function useStore<T = unknown>(): Store<T> | undefined {
  const store = useContext(Provided);
  if (store === null) throw new Error('this component needs a SyncProvider above it');
  return store;
}

/**
 * A record, and what becomes of it: undefined until it was read, and on a server; null if there is none. The same
 * object until it changes. If it cannot be read, the nearest error boundary gets the error.
 */
export function useRecord<T = unknown>(id: string): StoredRecord<T> | null | undefined {
  const records = useWatched<T>(id);
  return records && (records[0] ?? null);
}

/**
 * Records in the order of their ids, and what becomes of them: undefined until they were read, and on a server. The
 * same list until one of them changes, in which the others are the same objects. Components that ask for the same share
 * one watch. If they cannot be read, the nearest error boundary gets the error.
 */
export function useRecords<T = unknown>(watched: Exclude<Watched, string> = {}): readonly StoredRecord<T>[] | undefined {
  return useWatched<T>(watched);
}

/** How the store is. Until it is open, and on a server, nothing is known: `connecting`, and not `uploaded`. */
export function useSyncStatus(): Status {
  const store = useStore();
  const subscribe = useMemo(() => (listener: () => void) => store?.onStatus(listener) ?? nothing, [store]);
  return useSyncExternalStore(subscribe, () => store?.status ?? UNKNOWN, () => UNKNOWN);
}

/** What components share that ask for the same. */
interface Shared {
  records?: readonly StoredRecord<any>[];
  failure?: { error: unknown };
  listeners: Set<() => void>;
  stop: () => void;
}

/** By store and key. Filled by effects only, never while rendering: what was rendered may never be shown. */
const watches = new WeakMap<AnyStore, Map<string, Shared>>();

const nothing = (): undefined => {};

function useWatched<T>(watched: Watched): readonly StoredRecord<T>[] | undefined {
  const store = useStore<T>();
  const key = keyOf(watched);
  const subscribe = useMemo(() => (listener: () => void) => (store ? join(store, key, listener) : nothing), [store, key]);
  const read = () => {
    const shared = store && watches.get(store)?.get(key);
    if (shared?.failure) throw shared.failure.error;
    return shared?.records;
  };
  return useSyncExternalStore(subscribe, read, nothing);
}

/** The same for all that watch the same, and what it parses to is that. */
function keyOf(watched: Watched): string {
  if (typeof watched === 'string') return JSON.stringify(watched);
  if ('length' in watched) return JSON.stringify([...watched].sort());
  const { prefix, from, above, below } = watched;
  return JSON.stringify({ prefix, from, above, below });
}

/** Shares a watch, opening it for the first component that wants it. Answers how to leave. */
function join(store: AnyStore, key: string, listener: () => void): () => void {
  const all = watches.get(store) ?? new Map<string, Shared>();
  watches.set(store, all);
  const shared = all.get(key) ?? open(store, key);
  all.set(key, shared);
  shared.listeners.add(listener);
  return () => {
    shared.listeners.delete(listener);
    // Not at once: a component that takes the place of this one joins right after, and so does this one in StrictMode.
    queueMicrotask(() => {
      if (shared.listeners.size > 0 || all.get(key) !== shared) return;
      all.delete(key);
      shared.stop();
    });
  };
}

function open(store: AnyStore, key: string): Shared {
  const shared: Shared = { listeners: new Set(), stop: nothing };
  const tell = (news: Pick<Shared, 'records' | 'failure'>) => {
    Object.assign(shared, news);
    for (const listener of [...shared.listeners]) listener();
  };
  shared.stop = store.watch(JSON.parse(key) as Watched, (records) => tell({ records }), (error) => tell({ failure: { error } }));
  return shared;
}
