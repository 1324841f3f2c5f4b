import type { Status } from './store/status.js';
import type { Store, StoredRecord } from './store/store.js';
import { UNKNOWN } from './store/unknown.js';
import type { Watched } from './store/watch.js';

/** What Svelte reads by `$`: its contract of readable stores. */
export interface Readable<T> {
  subscribe(run: (value: T) => void): () => void;
}

/** A store, or what `openStore` answered; undefined where there is none, as on a server. */
export type StoreSource<T> = Store<T> | PromiseLike<Store<T>> | undefined;

/** Hears that a store cannot be opened or read; by default that is an unhandled rejection. */
export type Failed = (error: unknown) => void;

/** Records in the order of their ids, and what becomes of them: undefined until they were read, and on a server. */
export function records<T = unknown>(store: StoreSource<T>, watched: Exclude<Watched, string> = {}, failed: Failed = unhandled): Readable<readonly StoredRecord<T>[] | undefined> {
  return readable<readonly StoredRecord<T>[] | undefined, T>(store, undefined, failed, (opened, run) => opened.watch(watched, run, failed));
}

/** A record, and what becomes of it: undefined until it was read, and on a server; null if there is none. */
export function record<T = unknown>(store: StoreSource<T>, id: string, failed: Failed = unhandled): Readable<StoredRecord<T> | null | undefined> {
  return readable<StoredRecord<T> | null | undefined, T>(store, undefined, failed, (opened, run) => opened.watch(id, ([found]) => run(found ?? null), failed));
}

/** How a store is. Until it is open, and on a server, nothing is known: `connecting`, and not `uploaded`. */
export function syncStatus(store: StoreSource<any>, failed: Failed = unhandled): Readable<Status> {
  return readable<Status, unknown>(store, UNKNOWN, failed, (opened, run) => {
    run(opened.status);
    return opened.onStatus(run);
  });
}

function readable<V, T>(store: StoreSource<T>, unknown: V, failed: Failed, follow: (store: Store<T>, run: (value: V) => void) => () => void): Readable<V> {
  return {
    subscribe(run) {
      let over = false;
      let stop = () => {};
      const begin = (opened: Store<T>) => {
        if (!over) stop = follow(opened, run);
      };
      run(unknown);
      if (store && 'then' in store) store.then(begin, (error: unknown) => over || failed(error));
      else if (store) begin(store);
      return () => {
        over = true;
        stop();
      };
    },
  };
}

function unhandled(error: unknown): void {
  void Promise.reject(error);
}
