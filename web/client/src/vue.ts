import { computed, shallowRef, toRaw, toValue, watchEffect } from 'vue';
import type { ComputedRef, MaybeRefOrGetter } from 'vue';

import type { Status } from './store/status.js';
import type { Store, StoredRecord } from './store/store.js';
import { UNKNOWN } from './store/unknown.js';
import type { Watched } from './store/watch.js';

/** A store, a ref of one, or a function that answers one; undefined until it is open, and on a server. It may become another one. */
export type StoreSource<T> = MaybeRefOrGetter<Store<T> | undefined>;

/**
 * Records in the order of their ids, and what becomes of them, as long as the component or scope lives: undefined until
 * they were read. Another store, or another query of a ref or function, shows nothing of the former. If they cannot be
 * read, who shows them throws, and `onErrorCaptured` hears it.
 */
export function useRecords<T = unknown>(store: StoreSource<T>, watched: MaybeRefOrGetter<Exclude<Watched, string>> = {}): ComputedRef<readonly StoredRecord<T>[] | undefined> {
  return useWatched(store, watched);
}

/** A record, and what becomes of it: undefined until it was read, null if there is none. The rest is as with {@link useRecords}. */
export function useRecord<T = unknown>(store: StoreSource<T>, id: MaybeRefOrGetter<string>): ComputedRef<StoredRecord<T> | null | undefined> {
  const records = useWatched(store, id);
  return computed(() => records.value && (records.value[0] ?? null));
}

/** How the store is. Until there is one nothing is known: `connecting`, and not `uploaded`. */
export function useSyncStatus(store: StoreSource<any>): ComputedRef<Status> {
  const status = shallowRef(UNKNOWN);
  watchEffect((onCleanup) => {
    const own = toRaw(toValue(store)) as Store<unknown> | undefined;
    status.value = own?.status ?? UNKNOWN;
    if (own) onCleanup(own.onStatus((next) => (status.value = next)));
  });
  return computed(() => status.value);
}

function useWatched<T>(store: StoreSource<T>, watched: MaybeRefOrGetter<Watched>): ComputedRef<readonly StoredRecord<T>[] | undefined> {
  const seen = shallowRef<{ records?: readonly StoredRecord<T>[]; failure?: { error: unknown } }>({});
  watchEffect((onCleanup) => {
    const own = toRaw(toValue(store)) as Store<T> | undefined; // a proxy, as a deep ref makes one, is no store
    const query = toValue(watched); // the watch reads all of it now, so that the effect runs again where a part is changed
    seen.value = {};
    if (own) onCleanup(own.watch(query, (records) => (seen.value = { records }), (error) => (seen.value = { failure: { error } })));
  });
  return computed(() => {
    if (seen.value.failure) throw seen.value.failure.error;
    return seen.value.records;
  });
}
