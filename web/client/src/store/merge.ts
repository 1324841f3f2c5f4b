import { SynclineError } from '../errors.js';
import { callBack } from './call-back.js';
import type { Ledger, Writer } from './ledger.js';
import { setAside, settled, shrink } from './queue.js';
import { bytesOf, DELETED, isClaimed, isStale } from './rows.js';
import type { Content, Row } from './rows.js';
import type { Values } from './values.js';

/** A record that was changed here and elsewhere. Undefined: there is, or is to be, no such record. */
export interface Conflict<T> {
  id: string;
  /** What both changes were made upon. */
  base: T | undefined;
  mine: T | undefined;
  theirs: T | undefined;
}

/** A value that a merge left out, for the app to show or to keep: all of it, or one field of a JSON object. */
export interface LeftOut {
  id: string;
  field?: string;
  kept: unknown;
  left: unknown;
}

/**
 * How changes here and elsewhere become one. `fields`: for JSON objects field by field, both sides' changes are kept;
 * of what both changed, as of all other values, the device that syncs later wins; a change wins over a deletion.
 * `mine`, `theirs`: the whole value. A function answers the value to keep, at once or later, undefined to delete it;
 * if it fails, the write is set aside as `MERGE_FAILED`.
 */
export type Merge<T> = 'fields' | 'mine' | 'theirs' | ((conflict: Conflict<T>) => T | undefined | Promise<T | undefined>);

export interface MergeOptions<T> {
  /** For all records, or by the beginning of their ids, of which the longest counts; `fields` by default. */
  merge?: Merge<T> | Readonly<Record<string, Merge<T>>>;
  /** Hears what `fields` left out. */
  onConflict?: (left: LeftOut) => void;
}

const kindOf = (value: unknown) => Object.prototype.toString.call(value);

/** Whether a value is an object as JSON has them, and no instance of a class. */
function isObject(value: unknown): value is Record<string, unknown> {
  if (kindOf(value) !== '[object Object]') return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null; // that of another frame is another one
}

/** Whether two values are equal: as JSON, whatever the order of fields, times, or bytes. Of what is neither nothing is known. */
export function isEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null || kindOf(a) !== kindOf(b)) return false;
  if (ArrayBuffer.isView(a)) {
    const [left, right] = [a, b as typeof a].map(({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength)) as [Uint8Array, Uint8Array];
    return left.length === right.length && left.every((byte, i) => byte === right[i]);
  }
  if (kindOf(a) === '[object Date]') return Object.is(Number(a), Number(b));
  if (!Array.isArray(a) && !(isObject(a) && isObject(b))) return false;
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => Object.hasOwn(b, name) && isEqual((a as never)[name], (b as never)[name]));
}

/** The merge `fields`. */
export function mergeFields<T>({ id, base, mine, theirs }: Conflict<T>, left: (value: LeftOut) => void): T | undefined {
  if (isEqual(mine, theirs) || isEqual(theirs, base)) return mine;
  if (isEqual(mine, base)) return theirs;
  if (mine === undefined || theirs === undefined) return mine ?? theirs;
  if (!isObject(mine) || !isObject(theirs)) {
    left({ id, kept: mine, left: theirs });
    return mine;
  }
  const before: Record<string, unknown> = isObject(base) ? base : {};
  const merged: [field: string, value: unknown][] = [];
  for (const field of new Set([...Object.keys(theirs), ...Object.keys(mine)])) {
    const [was, own, other] = [before, mine, theirs].map((value) => (Object.hasOwn(value, field) ? value[field] : undefined));
    const kept = isEqual(own, was) ? other : own;
    if (!isEqual(own, was) && !isEqual(other, was) && !isEqual(own, other)) left({ id, field, kept, left: other });
    if (kept !== undefined) merged.push([field, kept]);
  }
  return Object.fromEntries(merged) as T; // which may have a field __proto__
}

/** Merges what waits for a record with what the server has of it. */
export class Merger<T> {
  readonly #byPrefix: [prefix: string, merge: Merge<T>][];

  constructor(
    private readonly ledger: Ledger,
    private readonly values: Values<T>,
    private readonly options: MergeOptions<T>,
  ) {
    const { merge = 'fields' } = options;
    const all: [string, Merge<T>][] = isObject(merge) ? Object.entries(merge as Record<string, Merge<T>>) : [['', merge as Merge<T>]];
    this.#byPrefix = all.sort(([a], [b]) => b.length - a.length);
  }

  /** Whether an answer may take long, such as a person's. */
  asks(id: string): boolean {
    return typeof this.#mergeOf(id) === 'function';
  }

  #mergeOf(id: string): Merge<T> {
    return this.#byPrefix.find(([prefix]) => id.startsWith(prefix))?.[1] ?? 'fields';
  }

  /** Does so for one record, again if something changed while it was being thought about. */
  async merge(id: string): Promise<void> {
    for (let done = false; !done; ) {
      const before = await this.ledger.read(async (reader) => (reader.meta.walk ? undefined : reader.row(id)));
      if (!before || before.refused || !isStale(before)) return;
      const left: LeftOut[] = [];
      const merged = await this.#resolve(before, left).catch((cause: unknown) => (cause instanceof SynclineError ? cause : failed(id, cause)));
      let kept = false;
      done = await this.ledger.write('write', async (writer) => {
        const now = await writer.row(id);
        // Another tab walks, or sends it: it is asked again after that.
        if (writer.meta.walk || isClaimed(writer.meta, before.writes[0]!.seq)) return true;
        if (JSON.stringify(now) !== JSON.stringify(before)) return false;
        if (merged instanceof SynclineError) await setAside(writer, (await writer.unit(before.writes[0]!.seq))!, merged);
        else await keep(writer, before, merged);
        kept = true;
        return true;
      });
      if (kept && !(merged instanceof SynclineError)) for (const each of left) void callBack(this.options.onConflict, each);
    }
  }

  /** What becomes of each of a row's writes; null where the server has it already. */
  async #resolve({ id, base, server, writes }: Row, left: LeftOut[]): Promise<(Content | null)[]> {
    const merged: (Content | null)[] = [];
    let [was, now]: [Content, Content] = [base ?? DELETED, server ?? DELETED];
    for (const write of writes) {
      const next = await this.#one(id, was, write, now, left);
      merged.push(next === now ? null : next);
      [was, now] = [write, next];
    }
    return merged;
  }

  /** Answers `theirs` itself where there is nothing to write. */
  async #one(id: string, base: Content, mine: Content, theirs: Content, left: LeftOut[]): Promise<Content> {
    const { values } = this;
    if (values.same(id, mine, theirs)) return theirs;
    const merge = this.#mergeOf(id);
    const read = (content: Content) => (content.data === null ? undefined : values.decode(id, content));
    const other = read(theirs); // or it is newer than this app, and not to be overwritten
    if (merge === 'mine') return mine;
    if (merge === 'theirs') return theirs;
    const own = read(mine);
    const conflict = { id, base: baseOf(() => read(base)), mine: own, theirs: other };
    const value = merge === 'fields' ? mergeFields(conflict, (each) => left.push(each)) : await merge(conflict);
    if (isEqual(value, other)) return theirs;
    if (isEqual(value, own)) return mine;
    return value === undefined ? DELETED : values.encode(id, value);
  }
}

/** A base that cannot be read is none: then both sides count as changed. */
function baseOf<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function failed(id: string, cause: unknown): SynclineError {
  return new SynclineError('MERGE_FAILED', `${id} was changed here and elsewhere, and could not be merged: ${(cause as Error | null)?.message}`, {}, { cause });
}

/** Puts merged writes in place of a row's. They are made upon what the server has now. */
async function keep(writer: Writer, row: Row, merged: (Content | null)[]): Promise<void> {
  const writes = row.writes.flatMap((write, i) => (merged[i] ? [{ seq: write.seq, ...merged[i] }] : []));
  writer.putRow(settled({ ...row, base: row.server, writes }));
  for (const [i, write] of row.writes.entries()) {
    const unit = (await writer.unit(write.seq))!;
    const content = merged[i];
    if (!content) shrink(writer, unit, row.id, write);
    else writer.renew(unit, bytesOf(content.data) - bytesOf(write.data));
  }
}
