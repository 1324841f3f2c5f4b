import { SynclineError } from '../errors.js';
import { newNonce } from '../signing.js';
import { bytesOf, viewOf } from './rows.js';
import type { Ending, Meta, Refused, Row, Unit, View } from './rows.js';
import type { Mode, Range, Storage, Table, Transaction } from './storage.js';

/** How many rows a transaction reads at a time: what a browser hands over without a pause that is felt. */
const ROWS = 2000;

/** How many units of the queue: some more than go into one request. */
const UNITS = 200;

/** How many endings other than success are remembered for those who wait. */
const REMEMBERED = 1000;

/** What a transaction changed, told to all tabs. */
export interface Change extends Pick<Meta, 'life' | 'pending' | 'refused' | 'complete' | 'evicted'> {
  /** One more than that of the transaction before. */
  version: number;
  /** By record: what the app sees of it now. */
  views: [id: string, view: View | null][];
  ended: Ending[];
  /** Whether there may be something to send that was not there before. */
  queued: boolean;
}

/** Reads within a transaction. */
export class Reader {
  /** Rows that were read by their ids. */
  protected readonly known = new Map<string, Promise<Row | undefined>>();

  constructor(
    protected readonly transaction: Transaction,
    readonly meta: Meta,
  ) {}

  row(id: string): Promise<Row | undefined> {
    const row = this.known.get(id) ?? (this.transaction.get('records', id) as Promise<Row | undefined>);
    this.known.set(id, row);
    return row;
  }

  /** The rows that a unit writes. */
  rowsOf({ ids }: Pick<Unit, 'ids'>): Promise<Row[]> {
    return Promise.all(ids.map((id) => this.row(id) as Promise<Row>));
  }

  refused(seq: number): Promise<Refused | undefined> {
    return this.transaction.get('refused', seq) as Promise<Refused | undefined>;
  }

  unit(seq: number): Promise<Unit | undefined> {
    return this.transaction.get('writes', seq) as Promise<Unit | undefined>;
  }

  allRefused(): Promise<Refused[]> {
    return this.transaction.list('refused') as Promise<Refused[]>;
  }

  /** Units that wait, in order. */
  units(): AsyncGenerator<Unit> {
    return this.#all('writes', {}, UNITS);
  }

  /** Rows in order of their ids. */
  rows(range: Range = {}): AsyncGenerator<Row> {
    return this.#all('records', range, ROWS);
  }

  async *#all<T extends { seq?: number; id?: string }>(table: Table, range: Range, limit: number): AsyncGenerator<T> {
    for (let { above } = range; ; ) {
      const portion = (await this.transaction.list(table, { ...range, above, limit })) as T[];
      yield* portion;
      if (portion.length < limit) return;
      const { seq, id } = portion.at(-1)!;
      above = seq ?? id;
    }
  }
}

/** Reads and changes within a transaction. Rows and units are replaced, never changed in place. */
export class Writer extends Reader {
  readonly #views = new Map<string, View | null>();
  readonly ended: Ending[] = [];
  queued = false;

  putRow({ base, lost, refused, ...kept }: Row): void {
    const waits = kept.writes.length > 0;
    const row: Row = { ...kept, ...(waits && { base: base ?? null }), ...(waits && lost !== undefined && { lost }), ...(waits && refused && { refused }) };
    this.#views.set(row.id, viewOf(row));
    this.known.delete(row.id);
    if (row.server === null && !waits) this.transaction.delete('records', row.id);
    else this.transaction.put('records', row.id, row);
  }

  putUnit(unit: Unit, before?: Unit): void {
    const { pending } = this.meta;
    this.meta.pending = { count: pending.count + (before ? 0 : 1), bytes: pending.bytes + unit.bytes - (before?.bytes ?? 0) };
    this.transaction.put('writes', unit.seq, unit);
    this.queued = true;
  }

  /** A unit's content is another one now, with so many bytes more. */
  renew(unit: Unit, added = 0, ids = unit.ids): void {
    this.putUnit({ ...unit, ids, mutationId: newNonce(), bytes: unit.bytes + added }, unit);
  }

  /** Takes a unit out of the queue. */
  removeUnit(unit: Unit): void {
    const { count, bytes } = this.meta.pending;
    this.meta.pending = { count: count - 1, bytes: bytes - unit.bytes };
    this.transaction.delete('writes', unit.seq);
  }

  putRefused(refused: Refused): void {
    this.meta.refused++;
    this.transaction.put('refused', refused.seq, refused);
  }

  removeRefused({ seq }: Refused): void {
    this.meta.refused--;
    this.transaction.delete('refused', seq);
  }

  /** Tells those who wait for a unit how it ended: well, by an error, or in another one that took its place. */
  end(seq: number, error?: Ending['error'], by?: number): void {
    const ending: Ending = { seq, ...(error && { error: { code: error.code, message: error.message } }), ...(by !== undefined && { by }) };
    this.ended.push(ending);
    if (error || by !== undefined) this.meta.endings = [...this.meta.endings, ending].slice(-REMEMBERED);
  }

  /** What was changed. */
  finish(): Change {
    this.meta.version++;
    this.transaction.put('meta', 'meta', this.meta);
    const { version, life, pending, refused, complete, evicted } = this.meta;
    return { version, life, views: [...this.#views], ended: this.ended, pending, refused, complete, evicted, queued: this.queued };
  }
}

/** Who is told what becomes of the tables. */
export interface Observer {
  /** A transaction of this tab is kept. */
  changed(change: Change): void;
  /** A transaction found the database so. */
  saw(meta: Meta): void;
  /** The browser removed the database, with all that was in it; this is another one. Told within the transaction that finds it. */
  lost(): void;
}

/** The tables of a store, read and changed in transactions, each of which is told of once it is kept. */
export class Ledger {
  /** The database's, as it was seen last; undefined: there was none. */
  life: string | undefined;

  constructor(
    private readonly storage: Storage,
    private readonly owner: string,
    /** Whether what waits is to be sealed; undefined: it is taken as it is. */
    private readonly sealed: boolean | undefined,
    private readonly observer: Observer,
  ) {}

  /** What is known of the whole. A database that is new says how many writes were lost with one before it. */
  async open(lost: number): Promise<Meta> {
    const noted = (meta: Meta): Meta => (meta.version === 0 && lost > 0 ? Object.assign(meta, { evicted: { pending: lost } }) : meta);
    const meta = noted(await this.read(async (reader) => reader.meta));
    return meta.version > 0 ? meta : this.write('write', async (writer) => noted(writer.meta)).catch(() => meta); // a disk that is full is told when the app writes
  }

  read<T>(work: (reader: Reader) => Promise<T>): Promise<T> {
    return this.storage.transact('read', async (transaction) => work(new Reader(transaction, await this.#meta(transaction))));
  }

  /** `durable` for what the app writes; what can be had again from the server need not wait for the disk. */
  async write<T>(mode: Exclude<Mode, 'read'>, work: (writer: Writer) => Promise<T>): Promise<T> {
    const [result, change] = await this.storage.transact(mode, async (transaction) => {
      const writer = new Writer(transaction, await this.#meta(transaction));
      const done = await work(writer);
      return [done, writer.finish()] as const;
    });
    this.observer.changed(change);
    return result;
  }

  async #meta(transaction: Transaction): Promise<Meta> {
    const kept = (await transaction.get('meta', 'meta')) as Meta | undefined;
    if (kept && kept.owner !== this.owner) throw new SynclineError('STORAGE_CORRUPT', 'this storage is of another user: use another name');
    const isOther = kept && (kept.sealed === undefined ? kept.pending.count || kept.refused : kept.sealed !== this.sealed);
    if (isOther && this.sealed !== undefined) throw new SynclineError('OTHER_ENCRYPTION', `this storage was opened ${this.sealed ? 'without' : 'with'} encryption since: reload this page`);
    const isLost = this.life !== undefined && kept?.life !== this.life;
    this.life = kept?.life;
    if (isLost) this.observer.lost();
    if (kept) this.observer.saw(kept);
    // Units are counted from some number, so that one of a database that was removed names nothing in the next.
    return { owner: this.owner, life: newNonce(), sealed: this.sealed, version: 0, seq: Math.floor(Math.random() * 2 ** 40), cursor: null, complete: false, walks: 0, claims: [], pending: { count: 0, bytes: 0 }, refused: 0, endings: [], ...kept };
  }
}

/** The bytes of a unit's data. */
export function sizeOf(contents: readonly { data: string | null }[]): number {
  return contents.reduce((sum, { data }) => sum + bytesOf(data), 0);
}
