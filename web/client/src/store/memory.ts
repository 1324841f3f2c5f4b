import { TABLES } from './storage.js';
import type { Key, Range, Storage, Table, Transaction } from './storage.js';

/** Keeps a store's tables as long as the process lives: for tests, for Node.js, and where a page may keep nothing. */
export function memoryStorage(): Storage {
  const tables = new Map(TABLES.map((table) => [table, new Sorted()]));
  let turn: Promise<unknown> = Promise.resolve();
  return {
    transact(mode, work) {
      const run = async () => {
        const undo: (() => void)[] = [];
        try {
          return await work(within(tables, mode === 'read' ? undefined : undo));
        } catch (error) {
          while (undo.length > 0) undo.pop()!();
          throw error;
        }
      };
      const result = turn.then(run);
      turn = result.catch(() => {});
      return result;
    },
    close() {},
  };
}

function within(tables: Map<Table, Sorted>, undo: (() => void)[] | undefined): Transaction {
  const change = (table: Table, key: Key, value: unknown) => {
    if (!undo) throw new TypeError('a transaction that reads cannot write');
    const sorted = tables.get(table)!;
    const before = sorted.values.get(key);
    undo.push(() => sorted.set(key, before));
    sorted.set(key, value);
  };
  return {
    get: async (table, key) => tables.get(table)!.values.get(key),
    list: async (table, range = {}) => tables.get(table)!.list(range),
    put: (table, key, value) => change(table, key, structuredClone(value)),
    delete: (table, key) => change(table, key, undefined),
  };
}

/** Values in the order of their keys. */
class Sorted {
  readonly values = new Map<Key, unknown>();
  #keys: Key[] = [];

  set(key: Key, value: unknown): void {
    const known = this.values.has(key);
    const place = () => this.#place(key, false);
    if (value === undefined) {
      if (this.values.delete(key)) this.#keys.splice(place(), 1);
    } else {
      this.values.set(key, value);
      if (!known) this.#keys.splice(place(), 0, key);
    }
  }

  list({ from, above, below, limit = Infinity }: Range): unknown[] {
    const start = above !== undefined ? this.#place(above, true) : from !== undefined ? this.#place(from, false) : 0;
    const end = below !== undefined ? this.#place(below, false) : this.#keys.length;
    return this.#keys.slice(start, Math.min(end, start + limit)).map((key) => this.values.get(key));
  }

  /** How many keys are below a key, or are that key where it counts too. */
  #place(key: Key, counts: boolean): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const at = this.#keys[middle]!;
      if (at < key || (counts && at === key)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
