import type { CollectionConfig, SyncConfig } from '@tanstack/db';

import type { Store, StoredRecord } from './store/store.js';

/** A store, whatever its values are: each collection names their type. */
type AnyStore = Store<any>;

export interface CollectionOptions<T extends object> {
  /** The store, or what `openStore` answered. It is the app that closes it. */
  store: AnyStore | PromiseLike<AnyStore>;
  /** What an item is found by; its record's id is `prefix` and this. It never changes, and no other item has it. */
  getKey: (item: T) => string;
  /** The beginning of the ids of the collection's records; without it the collection has all records of the store. */
  prefix?: string;
  /**
   * Hears of a record that is shown as no item, each time it is read: its value has a problem, or `getKey` answers
   * something else for it than its id says.
   */
  onLeftOut?: (record: StoredRecord<T>) => void;
}

/** Spread it to add options of TanStack DB, such as `startSync` or `gcTime`. */
export type SynclineCollectionConfig<T extends object> = CollectionConfig<T, string> & Required<Pick<CollectionConfig<T, string>, 'onInsert' | 'onUpdate' | 'onDelete'>>;

type Followed<T extends object> = Pick<CollectionOptions<T>, 'getKey' | 'onLeftOut'> & { prefix: string };

type Sync<T extends object> = Parameters<SyncConfig<T, string>['sync']>[0];

/** Of a transaction of TanStack DB, what is to be written. */
interface Mutations<T> {
  transaction: { mutations: readonly { type: string; key: unknown; modified: T; changes: Partial<T> }[] };
}

/**
 * Options for `createCollection` of TanStack DB: a collection of the records of an offline store, with what other tabs
 * and devices do to them. It is ready when the records that are on the device are there, also without a network.
 *
 * `insert`, `update` and `delete` become one batch of the store, of up to 100 records. The transaction is settled when
 * that is on disk; if it cannot be kept, it fails, and what was shown is taken back. From then on the store sends it, merges
 * it, and goes on showing it if the server refuses it: see its `status` and `refused`.
 */
export function synclineCollectionOptions<T extends object>({ store, getKey, prefix = '', onLeftOut }: CollectionOptions<T>): SynclineCollectionConfig<T> {
  const write = async ({ transaction }: Mutations<T>): Promise<void> => {
    const opened = await store;
    await opened.batch((batch) => {
      for (const { type, key, modified, changes } of transaction.mutations) {
        const id = prefix + String(key);
        if (type === 'insert') batch.put(id, plain(modified));
        else if (type === 'delete') batch.delete(id);
        // Upon what is there by now: another tab may have changed other fields. A change wins over a deletion.
        else batch.update(id, (present) => (present ? { ...present, ...changes } : modified));
      }
    });
    await opened.told(); // or what was written would be out of sight until then
  };
  return {
    getKey,
    sync: { rowUpdateMode: 'full', sync: (target) => follow(target, store, { getKey, prefix, onLeftOut }) },
    onInsert: write,
    onUpdate: write,
    onDelete: write,
  };
}

const ADDED = ['$synced', '$origin', '$key', '$collectionId', '$hasPendingWrites'];

/** Without what TanStack DB adds to an item that it shows. */
function plain<T extends object>(item: T): T {
  return '$collectionId' in item ? (Object.fromEntries(Object.entries(item).filter(([name]) => !ADDED.includes(name))) as T) : item;
}

/** Brings the records that are there, then each change. Answers how to stop that. */
function follow<T extends object>({ begin, write, commit, markReady, markError }: Sync<T>, store: AnyStore | PromiseLike<AnyStore>, { getKey, prefix, onLeftOut }: Followed<T>): () => void {
  let told: readonly StoredRecord<T>[] = [];
  const shown = new Set<string>(); // keys of items
  const show = (records: readonly StoredRecord<T>[]) => {
    const leftOut: StoredRecord<T>[] = [];
    begin();
    for (const [before, record] of differences(told, records)) {
      const key = (record ?? before)!.id.slice(prefix.length);
      if (record && isItem(record)) {
        write({ type: shown.has(key) ? 'update' : 'insert', value: record.value! });
        shown.add(key);
        continue;
      }
      if (shown.delete(key)) write({ type: 'delete', key });
      if (record) leftOut.push(record);
    }
    commit();
    told = records;
    markReady();
    if (onLeftOut) leftOut.forEach(onLeftOut);
  };
  const isItem = ({ id, value }: StoredRecord<T>) => {
    try {
      return value !== undefined && prefix + getKey(value) === id;
    } catch {
      return false; // it is not of the shape that the app expects
    }
  };
  let over = false;
  let stop = () => {};
  const begun = (opened: AnyStore) => {
    if (!over) stop = opened.watch({ prefix }, show, markError);
  };
  if ('then' in store) store.then(begun, (error: unknown) => over || markError(error));
  else begun(store);
  return () => {
    over = true;
    stop();
  };
}

/** What two lists in the order of their ids do not have in common: what was there, and what is there now. */
function* differences<R extends { id: string }>(before: readonly R[], after: readonly R[]): Generator<[before: R | undefined, after: R | undefined]> {
  let i = 0;
  for (const record of after) {
    for (; i < before.length && before[i]!.id < record.id; i++) yield [before[i], undefined];
    const known = before[i]?.id === record.id ? before[i++] : undefined;
    if (known !== record) yield [known, record];
  }
  for (; i < before.length; i++) yield [before[i], undefined];
}
