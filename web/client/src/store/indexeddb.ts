import { SynclineError } from '../errors.js';
import { TABLES } from './storage.js';
import type { Key, Mode, Range, Storage, Transaction } from './storage.js';

/** Of the tables. A tab with older code closes its connection when a newer one raises it. 2: what waits may be sealed, which older code does not ask. */
const VERSION = 2;

export interface IndexedDBOptions {
  /** Hears that an older tab holds the database open, so that it cannot be brought up to date yet: ask for it to be closed. */
  onBlocked?: () => void;
  /** For tests. */
  indexedDB?: IDBFactory;
  /** For tests: the tables' version, as a later release would have it. */
  version?: number;
}

/**
 * Keeps a store's tables in a database of the browser. A connection that the browser closes, as Safari does with
 * tabs in the background, is made again.
 */
export function indexedDBStorage(name: string, options: IndexedDBOptions = {}): Storage {
  let connection: Promise<IDBDatabase> | undefined;
  let outdated = false;
  let closed = false;

  const connect = () =>
    (connection ??= open(name, options).then(
      (database) => {
        if (closed) database.close();
        const gone = () => {
          connection = undefined;
          storage.onClose?.();
        };
        database.onclose = gone;
        database.onversionchange = ({ newVersion }) => {
          database.close(); // or who removes the database, or has newer code, would wait for this tab
          outdated = newVersion !== null;
          gone();
        };
        return database;
      },
      (error) => {
        connection = undefined;
        throw error;
      },
    ));

  const begin = async (mode: Mode) => {
    const start = (database: IDBDatabase) =>
      database.transaction([...TABLES], mode === 'read' ? 'readonly' : 'readwrite', { durability: mode === 'durable' ? 'strict' : 'relaxed' });
    if (closed) throw new Error('the store is closed');
    try {
      if (outdated) throw Object.assign(new Error(), { name: 'VersionError' });
      return start(await connect());
    } catch (error) {
      if (closed || outdated || (error as Error).name !== 'InvalidStateError') throw error;
      connection = undefined; // closed by the browser, without a word
      return start(await connect());
    }
  };

  const storage: Storage = {
    shared: true,
    async transact(mode, work) {
      const transaction = await begin(mode).catch(fail);
      const done = new Promise<void>((resolve, reject) => {
        transaction.oncomplete = () => resolve();
        transaction.onabort = () => reject(transaction.error ?? new Error('aborted'));
      });
      done.catch(() => {}); // told below
      let result;
      try {
        result = await work(within(transaction));
        if (mode !== 'read') transaction.commit(); // does not wait until each request was answered
      } catch (error) {
        try {
          transaction.abort();
        } catch {
          await done.catch(fail); // aborted already: for what reason
        }
        throw error;
      }
      await done.catch(fail);
      return result;
    },
    close() {
      closed = true;
      void connection?.then((database) => database.close()).catch(() => {});
    },
  };
  return storage;
}

function within(transaction: IDBTransaction): Transaction {
  return {
    get: (table, key) => answer(transaction.objectStore(table).get(key)),
    list: (table, range = {}) => answer(transaction.objectStore(table).getAll(keys(range), range.limit)),
    put: (table, key, value) => void transaction.objectStore(table).put(value, key),
    delete: (table, key) => void transaction.objectStore(table).delete(key),
  };
}

function answer<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(storageError(request.error));
  });
}

function keys({ from, above, below }: Range): IDBKeyRange | null {
  const lowest: Key | undefined = above ?? from;
  if (lowest !== undefined && below !== undefined) {
    if (lowest >= below) return IDBKeyRange.only([]); // nothing has this key
    return IDBKeyRange.bound(lowest, below, above !== undefined, true);
  }
  if (lowest !== undefined) return IDBKeyRange.lowerBound(lowest, above !== undefined);
  return below === undefined ? null : IDBKeyRange.upperBound(below, true);
}

function open(name: string, { indexedDB, version = VERSION, onBlocked }: IndexedDBOptions): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = (indexedDB ?? globalThis.indexedDB).open(name, version); // throws where there is none, and where site data are blocked
    request.onupgradeneeded = () => {
      const there = request.result.objectStoreNames;
      for (const table of TABLES) if (!there.contains(table)) request.result.createObjectStore(table);
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => onBlocked?.();
  });
}

function fail(cause: unknown): never {
  throw storageError(cause);
}

function storageError(cause: unknown): SynclineError {
  const name = (cause as { name?: string } | null)?.name;
  const [code, message] =
    name === 'QuotaExceededError'
      ? ['STORAGE_FULL', 'this browser has no room left, and nothing was kept: free disk space']
      : name === 'VersionError'
        ? ['STORAGE_OUTDATED', 'another tab runs a newer version of this app: reload this page']
        : ['STORAGE_BLOCKED', 'this browser does not let the page keep data: allow site data, or leave private browsing'];
  return new SynclineError(code!, message!, {}, { cause });
}
