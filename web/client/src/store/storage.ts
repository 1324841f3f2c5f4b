/** What a store keeps: rows by record id, queued and refused writes by number, and one entry about the whole. */
export const TABLES = ['records', 'writes', 'refused', 'meta'] as const;
export type Table = (typeof TABLES)[number];
export type Key = string | number;

/** Which keys of a table; texts are in the order of their UTF-16 code units. */
export interface Range {
  /** The first key. */
  from?: Key | undefined;
  /** All keys are above this one. */
  above?: Key | undefined;
  /** All keys are below this one. */
  below?: Key | undefined;
  /** At most so many values. */
  limit?: number | undefined;
}

/** What can be done within a transaction. Values are plain data, and are not changed once they are put or were read. */
export interface Transaction {
  get(table: Table, key: Key): Promise<unknown>;
  /** Values in ascending order of their keys. */
  list(table: Table, range?: Range): Promise<unknown[]>;
  put(table: Table, key: Key, value: unknown): void;
  delete(table: Table, key: Key): void;
}

/** `durable` is on disk once committed, also if the power fails; `write` once the system gets to it. */
export type Mode = 'read' | 'write' | 'durable';

/**
 * Where a store keeps its tables. {@link memoryStorage} and {@link indexedDBStorage} are two; others pass the same
 * suite. Failures reject with a `SynclineError`: `STORAGE_FULL`, `STORAGE_BLOCKED`, `STORAGE_OUTDATED`.
 */
export interface Storage {
  /**
   * Runs work in one transaction: all that it puts and deletes is kept, or nothing, if it rejects or the process
   * ends. Transactions that write run one after another, also those of other tabs. Work awaits nothing but the
   * transaction's own answers.
   */
  transact<T>(mode: Mode, work: (transaction: Transaction) => Promise<T>): Promise<T>;
  close(): void;
  /** Whether other tabs have the same tables. Without that each store syncs by itself, and hears of no other. */
  readonly shared?: boolean;
  /** Set by the store. To be called when the browser closes the database, perhaps to remove it: the store looks what is there now. */
  onClose?: () => void;
}

/** The keys that begin with a prefix. */
export function prefixed(prefix: string): Range {
  for (let end = prefix.length; end > 0; end--) {
    const last = prefix.charCodeAt(end - 1);
    if (last < 0xffff) return { from: prefix, below: prefix.slice(0, end - 1) + String.fromCharCode(last + 1) };
  }
  return { from: prefix };
}
