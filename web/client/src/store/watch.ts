import { callBack } from './call-back.js';
import type { Listener } from './changes.js';
import type { Change, Reader } from './ledger.js';
import { isEqual } from './merge.js';
import { viewOf } from './rows.js';
import type { View } from './rows.js';
import { prefixed } from './storage.js';
import type { Range } from './storage.js';

/** Which records, in the order of their ids. Nothing given: all. */
export interface Query {
  /** Those whose ids begin with this. */
  prefix?: string | undefined;
  /** From this id on. */
  from?: string | undefined;
  /** After this id: the last one of the page before. */
  above?: string | undefined;
  /** Before this id. */
  below?: string | undefined;
  /** At most so many. */
  limit?: number | undefined;
}

/** Its keys. */
function rangeOf({ prefix, from, above, below }: Query): Range & { from: string; above?: string; below?: string } {
  const range = prefixed(prefix ?? '') as ReturnType<typeof rangeOf>;
  if (from !== undefined && from > range.from) range.from = from;
  if (above !== undefined && above >= range.from) range.above = above;
  if (below !== undefined && (range.below === undefined || below < range.below)) range.below = below;
  return range;
}

/** What the app sees of the records of a query. */
export async function select(reader: Reader, query: Query): Promise<View[]> {
  const { limit = Infinity } = query;
  const views: View[] = [];
  if (limit <= 0) return views;
  for await (const row of reader.rows(rangeOf(query))) {
    const view = viewOf(row);
    if (view) views.push(view);
    if (views.length >= limit) break;
  }
  return views;
}

/** What is watched: one record, some, or those of a query. */
export type Watched = string | readonly string[] | Omit<Query, 'limit'>;

/** Keeps a list of records as they are after each transaction, and tells of it once for each after which one of them is another. */
export class Watch<R extends { id: string }> implements Listener {
  #records: R[] = [];
  readonly #ids: ReadonlySet<string> | undefined;
  readonly #query: Query;

  constructor(
    watched: Watched,
    private readonly read: (view: View) => R,
    private readonly listener: (records: R[]) => void,
  ) {
    const ids = typeof watched === 'string' ? [watched] : Array.isArray(watched) ? (watched as readonly string[]) : undefined;
    this.#ids = ids && new Set([...ids].sort());
    this.#query = ids ? {} : { ...(watched as Query) }; // as it is now: the app may change its own
  }

  change({ views }: Change): void {
    const records = this.#records;
    let changed: R[] | undefined;
    let at = 0; // up to there, `records` are in `changed`
    for (const [id, view] of views.filter(([each]) => this.#covers(each)).sort(([a], [b]) => (a < b ? -1 : 1))) {
      const place = placeOf(records, id);
      const known = records[place]?.id === id ? [records[place]] : [];
      const next = view ? [this.read(view)] : [];
      if (isEqual(known, next)) continue;
      changed ??= records.slice(0, (at = place));
      while (at < place) changed.push(records[at++]!);
      changed.push(...next);
      at += known.length;
    }
    if (changed) this.#tell(changed.concat(records.slice(at)));
  }

  async reload(reader: Reader): Promise<void> {
    const views = this.#ids
      ? (await reader.rowsOf({ ids: [...this.#ids] })).flatMap((row) => (row && viewOf(row)) ?? [])
      : await select(reader, this.#query);
    this.#tell(views.map(this.read));
  }

  #tell(records: R[]): void {
    this.#records = records;
    void callBack(this.listener, records);
  }

  #covers(id: string): boolean {
    if (this.#ids) return this.#ids.has(id);
    const { from, above, below } = rangeOf(this.#query);
    return !(id < from || id <= above! || id >= below!); // no text is before undefined, or after it
  }
}

function placeOf(records: readonly { id: string }[], id: string): number {
  let [low, high] = [0, records.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (records[middle]!.id < id) low = middle + 1;
    else high = middle;
  }
  return low;
}
