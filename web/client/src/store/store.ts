import { onAbort } from '../abort.js';
import { SynclineError } from '../errors.js';
import type { Identity } from '../identity.js';
import type { Session } from '../session.js';
import { Changes } from './changes.js';
import { Endings } from './endings.js';
import { indexedDBStorage } from './indexeddb.js';
import { Ledger } from './ledger.js';
import type { Change, Observer, Writer } from './ledger.js';
import { Merger } from './merge.js';
import type { MergeOptions } from './merge.js';
import { drop, enqueue, retry } from './queue.js';
import { Remote } from './remote.js';
import { DELETED, viewOf } from './rows.js';
import type { Content, Meta, Position, View } from './rows.js';
import { StatusBoard } from './status.js';
import type { Status } from './status.js';
import type { Storage } from './storage.js';
import { Syncer } from './sync.js';
import type { SyncOptions } from './sync.js';
import { Tabs } from './tabs.js';
import type { TabOptions } from './tabs.js';
import { checkId, Values } from './values.js';
import type { ValueOptions } from './values.js';
import { select, Watch } from './watch.js';
import type { Query, Watched } from './watch.js';
import { Witness } from './witness.js';

export interface StoreOptions<T> extends ValueOptions<T>, MergeOptions<T>, SyncOptions {
  /** Tells stores of one user at one server apart; `default` by default. */
  name?: string;
  /** IndexedDB by default. Only tabs of a storage that says that it is `shared` take turns, and tell each other. */
  storage?: Storage;
  /**
   * Whether data is encrypted before it reaches the storage and the network, by a key that follows from the identity
   * (docs/encryption.md). Ids, sizes by class and times remain visible. Records that were written without it have the
   * problem `NOT_ENCRYPTED`. What waits in a store that had none is encrypted as it opens, and the other way round; if some of
   * it may have been sent already, it rejects with `OTHER_ENCRYPTION`: open it as before until all is uploaded.
   */
  encryption?: boolean;
  /** Free text that goes with each write, 1 to 64 bytes. */
  clientId?: string;
  /** Hears that an older tab holds the database open, so that the store cannot be opened yet. */
  onBlocked?: () => void;
  /** Whether to ask the browser not to evict the data, when something is written; true by default. */
  persist?: boolean;
  /** Sends requests; the platform's `fetch` by default. */
  fetch?: typeof fetch;
  tabs?: TabOptions;
}

/** A record as the app sees it: with what was written here, whether or not the server has it yet. */
export interface StoredRecord<T> {
  id: string;
  /** Absent if there is a problem. */
  value: T | undefined;
  /** Why there is no value: `SCHEMA_NEWER`, `UNREADABLE`, or what the seal says. */
  problem?: SynclineError;
  schemaVersion: string;
  /** The server's; 0 where it has none yet. */
  revision: number;
  /** When the server took it, RFC 3339; empty where it has it not yet. */
  updatedAt: string;
  /** What is shown waits to be sent. */
  pending: boolean;
  /** What is shown was refused and is set aside: see {@link Store.refused}. */
  refused: boolean;
}

/** Resolves when what was written is on disk. */
export interface Written extends Promise<void> {
  /**
   * Resolves when the server has it, or what took its place: a later write, or a merge. Rejects with the reason if it
   * is set aside, and with `STORAGE_EVICTED` if the browser removed the database before that was known. Waits as long as that takes, also while offline.
   */
  readonly synced: Promise<void>;
}

/** Writes that were refused for good and are set aside: they are shown still, hold up nothing, and are not sent. */
export interface RefusedWrite<T> {
  /** Names it for `retry` and `drop`. */
  seq: number;
  code: string;
  message: string;
  /** What was to be written; undefined: deleted, or there is a problem, as in {@link StoredRecord}. */
  writes: { id: string; value: T | undefined; problem?: SynclineError }[];
}

/** Collects writes that go together: all of them, or none, here and at the server. */
export interface Batch<T> {
  put(id: string, value: T): void;
  update(id: string, change: (value: T | undefined) => T | undefined): void;
  delete(id: string): void;
}

type Step<T> = { id: string; content: Content } | { id: string; change: (value: T | undefined) => T | undefined };

/** What one batch may hold. */
const LARGEST_BATCH = 100;

/** One user's records, here and now, and in step with the server whenever it can be reached. Made by {@link openStore}. */
export class Store<T> {
  readonly #ledger: Ledger;
  readonly #values: Values<T>;
  readonly #changes: Changes;
  readonly #endings: Endings;
  readonly #board: StatusBoard;
  readonly #tabs: Tabs;
  readonly #syncer: Syncer;
  readonly #storage: Storage;
  readonly #identity: Identity;
  readonly #over = new AbortController();
  #persist: boolean;

  private constructor(identity: Identity, remote: Remote, tenure: AbortSignal, storage: Storage, name: string, options: StoreOptions<T>, witness: Witness | undefined, values: Values<T>, ledger: Ledger, meta: Meta, observer: Observer) {
    this.#identity = identity;
    this.#storage = storage;
    this.#values = values;
    this.#ledger = ledger;
    this.#persist = options.persist ?? true;
    this.#board = new StatusBoard(meta, witness);
    this.#changes = new Changes(ledger, meta.version, (error) => this.#board.failed(error));
    this.#endings = new Endings(ledger);
    const merger = new Merger(ledger, values, options) as unknown as Merger<unknown>;
    this.#tabs = new Tabs(name, storage.shared ? (options.tabs ?? {}) : { locks: undefined, channel: undefined }, this.#changes, (content) => this.#hear(content as Told));
    this.#syncer = new Syncer(ledger, remote, merger, options, (connection, error) => {
      if (!this.#over.signal.aborted && this.#board.connect(connection, error)) this.#tabs.tell({ connection: this.#board.told } satisfies Told);
    });
    observer.changed = (change) => {
      this.#tabs.tell({ change } satisfies Told);
      this.#changes.receive(change);
    };
    observer.saw = (meta) => this.#changes.see(meta);
    observer.lost = () => this.#lost();
    storage.onClose = () => void this.#changes.reload();
    const leave = onAbort(tenure, () => this.#over.abort(tenure.reason));
    this.#over.signal.addEventListener('abort', leave);
  }

  /** @internal */
  static async open<T>(session: Session, options: StoreOptions<T>): Promise<Store<T>> {
    const { identity, signal } = session; // before anything is awaited: all is this user's, whoever comes meanwhile
    const owner = identity.publicKey;
    const name = `syncline ${session.url.href} ${owner} ${options.name ?? 'default'}`;
    const { onBlocked } = options;
    const remote = new Remote(session, options);
    const values = new Values(options.encryption ? { ...options, seal: (await import('../seal/seal-of.js')).sealOf(identity) } : options);
    const storage = options.storage ?? indexedDBStorage(name, onBlocked ? { onBlocked } : {});
    const witness = options.storage ? undefined : new Witness(name);
    const observer: Observer = { changed() {}, saw() {}, lost() {} };
    const tables = (sealed?: boolean) => new Ledger(storage, owner, sealed, observer);
    const ledger = tables(values.isSealed);
    const lost = witness?.pending ?? 0;
    const meta = await ledger.open(lost).catch(async (error: unknown) => {
      if ((error as SynclineError).code !== 'OTHER_ENCRYPTION') throw error;
      const { reseal } = await import('./reseal.js');
      return reseal(tables(), identity, values as Values<unknown>, () => ledger.open(lost));
    });
    if (!signal.aborted) {
      const store = new Store(identity, remote, signal, storage, name, options, witness, values, ledger, meta, observer);
      await store.#start();
      if (!signal.aborted) return store;
      store.close();
    }
    storage.close();
    throw signal.reason;
  }

  async #start(): Promise<void> {
    await this.#changes.join({
      change: (change) => {
        this.#board.change(change);
        this.#endings.change(change);
        if (change.queued) this.#syncer.wake();
      },
      reload: async (reader) => {
        this.#board.change(reader.meta);
        await this.#endings.reload(reader);
        this.#syncer.wake();
      },
    });
    if (this.#over.signal.aborted) return;
    this.#tabs.tell({ asks: this.#changes.position } satisfies Told);
    this.#listen();
    void this.#tabs.lead((signal) => this.#syncer.run(signal), this.#over.signal).catch((error) => this.#board.failed(error));
  }

  /** A record; undefined if there is none. */
  async get(id: string): Promise<StoredRecord<T> | undefined> {
    const row = await this.#ledger.read((reader) => reader.row(id));
    const view = row && viewOf(row);
    return view ? this.#read(view) : undefined;
  }

  /** Records in the order of their ids, by UTF-16 code units as JavaScript compares them. */
  async list(query: Query = {}): Promise<StoredRecord<T>[]> {
    return (await this.#ledger.read((reader) => select(reader, query))).map(this.#read);
  }

  /** Creates a record or replaces it whole. */
  put(id: string, value: T): Written {
    return this.#write((batch) => batch.put(id, value));
  }

  /**
   * Changes a record by what a function makes of its value, undefined if there is none; nothing is between its reading
   * and its writing. The function answers undefined to leave all as it is, and may be called again.
   */
  update(id: string, change: (value: T | undefined) => T | undefined): Written {
    return this.#write((batch) => batch.update(id, change));
  }

  /** Deletes a record, if it is there. */
  delete(id: string): Written {
    return this.#write((batch) => batch.delete(id));
  }

  /** Writes up to 100 records together: nobody ever sees a part of them, here or elsewhere, and if one is refused, so are all. */
  batch(collect: (batch: Batch<T>) => void): Written {
    return this.#write(collect);
  }

  /**
   * Calls back with the records as they are, then once after each transaction that changed one of them, and not if all are as they were. If they cannot
   * be read, `failed` hears why, and nothing more comes; unless the store is over. Answers how to stop that.
   */
  watch(watched: Watched, listener: (records: StoredRecord<T>[]) => void, failed?: (error: unknown) => void): () => void {
    let over = false;
    const watch = new Watch(watched, this.#read, (records) => !over && listener(records));
    this.#changes.join(watch).then(
      (leave) => (over ? leave() : (stop = leave)),
      (error) => {
        this.#board.failed(error);
        if (!over && !this.#over.signal.aborted) failed?.(error);
      },
    );
    let stop = () => {};
    return () => {
      over = true;
      stop();
    };
  }

  /** @internal Resolves when all watches were told of what was written here. */
  told(): Promise<void> {
    return this.#changes.told();
  }

  /** How things are. */
  get status(): Status {
    return this.#board.status;
  }

  /** Calls back with each new status. Answers how to stop that. */
  onStatus(listener: (status: Status) => void): () => void {
    return this.#board.listen(listener);
  }

  /** Whether the server has everything that was written here, in any tab: read from the database itself. */
  async isUploaded(): Promise<boolean> {
    return this.#ledger.read(async ({ meta }) => this.#board.isUploaded(meta));
  }

  /** Takes `evicted`, if it is in the status, off it, in all tabs: the app knows what was lost, or the person does. Another loss since then stays. */
  async acknowledge(): Promise<void> {
    const { life, status } = this.#board;
    if (status.evicted) await this.#ledger.write('durable', async ({ meta }) => void (meta.life === life && (meta.evicted = null)));
  }

  /** What is set aside, oldest first. To edit one, write its record again. */
  async refused(): Promise<RefusedWrite<T>[]> {
    const found = await this.#ledger.read(async (reader) => {
      const all = await reader.allRefused();
      return Promise.all(all.map(async (each) => ({ ...each, rows: await reader.rowsOf(each) })));
    });
    return found.map(({ seq, code, message, rows }) => ({ seq, code, message, writes: rows.map(({ id, writes }) => ({ id, ...this.#open(id, writes[0]!) })) }));
  }

  /** Has writes that were set aside sent again. */
  async retry(seq: number): Promise<void> {
    await this.#ledger.write('durable', (writer) => retry(writer, seq));
  }

  /** Gives up writes that were set aside. */
  async drop(seq: number): Promise<void> {
    await this.#ledger.write('durable', (writer) => drop(writer, seq));
  }

  /**
   * Everything as one file (docs/offline.md): records, what waits to be sent, and what is set aside; not encrypted unless
   * the store is. For a copy before the browser's data are cleared, or to go on elsewhere. Other writes wait meanwhile.
   * What waits counts as sent from now on: if that takes a day, and somebody changed the record, it is set aside as `TOO_OLD_TO_RETRY`.
   */
  async export(): Promise<Blob> {
    const { write } = await import('./file.js');
    return this.#ledger.write('durable', (writer) => write(writer, this.#identity, this.#values as Values<unknown>));
  }

  /**
   * Puts what a file has in place of everything here, whole or not at all, and goes on from there. What waited and was sent
   * since, by this store or another with the same file, is not written twice. Rejects with `DAMAGED`, with `OTHER_OWNER`,
   * with `OTHER_ENCRYPTION` if the file is of a store with encryption and this one has none, or the other way round, with `FORMAT_NEWER` or `SCHEMA_NEWER` if a newer app exported it, and with `WRITES_WAIT` if something waits or is set aside here.
   */
  async import(file: Blob): Promise<void> {
    const { read, restore } = await import('./file.js');
    const contents = await read(file, this.#identity, this.#values as Values<unknown>);
    this.#values.checkNewer('this file', contents.header);
    await this.#ledger.write('durable', (writer) => restore(writer, contents));
    this.refresh();
  }

  /** Asks the server at once what changed, and tries again what failed: such as when the person pulls the list down. */
  refresh(): void {
    this.#syncer.online();
    this.#tabs.tell({ refresh: true } satisfies Told);
  }

  /** Lets go of the database, and of leading. What waits is sent when the store is opened again. */
  close(): void {
    this.#over.abort(new SynclineError('IDENTITY_CHANGED', 'the store is closed'));
    this.#changes.close();
    this.#tabs.close();
    this.#storage.close();
  }

  readonly #read = (view: View): StoredRecord<T> => {
    const { data: _, ...seen } = view;
    return { ...seen, ...this.#open(view.id, view) };
  };

  /** The value in some content, or why there is none. */
  #open(id: string, content: Content): Pick<StoredRecord<T>, 'value' | 'problem'> {
    try {
      return { value: content.data === null ? undefined : this.#values.decode(id, content) };
    } catch (problem) {
      return { value: undefined, problem: problem as SynclineError };
    }
  }

  #write(collect: (batch: Batch<T>) => void): Written {
    const kept = this.#keep(collect);
    const done = kept.then(() => {});
    let synced: Promise<void> | undefined;
    return Object.defineProperty(done, 'synced', { get: () => (synced ??= kept.then((unit) => this.#endings.wait(...unit))) }) as Written;
  }

  async #keep(collect: (batch: Batch<T>) => void): Promise<[seq: number | undefined, life: string]> {
    const steps: Step<T>[] = [];
    collect({
      put: (id, value) => void steps.push({ id: checkId(id), content: this.#values.encode(id, value) }),
      update: (id, change) => void steps.push({ id: checkId(id), change }),
      delete: (id) => void steps.push({ id: checkId(id), content: DELETED }),
    });
    if (new Set(steps.map(({ id }) => id)).size > LARGEST_BATCH) throw new SynclineError('BAD_USER_INPUT', `a batch has at most ${LARGEST_BATCH} records`);
    const kept = await this.#ledger.write('durable', async (writer) => [await this.#apply(writer, steps), writer.meta.life] as [number | undefined, string]);
    if (this.#persist) void (globalThis as { navigator?: Partial<Navigator> }).navigator?.storage?.persist?.().catch(() => {});
    this.#persist = false;
    return kept;
  }

  async #apply(writer: Writer, steps: readonly Step<T>[]): Promise<number | undefined> {
    const written = new Map<string, Content>();
    for (const step of steps) {
      const { id } = step;
      const row = await writer.row(id);
      const shown = written.get(id) ?? (row && viewOf(row)) ?? DELETED;
      if (shown.data !== null) this.#values.checkNewer(id, shown);
      if ('content' in step) {
        written.set(id, step.content);
        continue;
      }
      const value = step.change(shown.data === null ? undefined : this.#values.decode(id, shown));
      if (value !== undefined) written.set(id, this.#values.encode(id, value));
    }
    return enqueue(writer, [...written].map(([id, content]) => ({ id, ...content })));
  }

  /** The browser removed the database. What was shown is read again, and the app is told how much was lost. */
  #lost(): void {
    const pending = this.#board.lost();
    this.#endings.lost();
    if (pending > 0) this.#ledger.write('durable', async ({ meta }) => void (meta.evicted === undefined && (meta.evicted = { pending }))).catch((error) => this.#board.failed(error));
    this.#changes.restart();
    this.refresh(); // of what the server has, nothing is here any more
  }

  #hear(told: Told): void {
    if (told.change) this.#changes.receive(told.change);
    if (told.connection) this.#board.follow(told.connection);
    if (told.refresh) this.#syncer.online();
    if (!told.asks) return;
    this.#changes.see(told.asks);
    this.#syncer.wake(); // what that tab found may never have been told of
    if (this.#board.told) this.#tabs.tell({ connection: this.#board.told } satisfies Told);
  }

  /** To what the platform tells: the network, and that a page was frozen. */
  #listen(): void {
    const { signal } = this.#over;
    const page = globalThis as unknown as Partial<EventTarget> & { document?: EventTarget };
    const refresh = () => {
      void this.#changes.reload();
      this.#syncer.online();
    };
    page.addEventListener?.('online', () => this.#syncer.online(), { signal });
    page.addEventListener?.('pageshow', (event) => (event as PageTransitionEvent).persisted && refresh(), { signal });
    page.document?.addEventListener('resume', refresh, { signal });
  }
}

/** What tabs tell each other. */
interface Told {
  change?: Change;
  connection?: StatusBoard['told'];
  /** A tab begins, and this is what it found. */
  asks?: Position;
  refresh?: boolean;
}

/**
 * Opens the store of the session's present user: all records at hand without a network, and a queue of what was
 * written here, in one database that all tabs share. It syncs by itself until it is closed, or the session's identity
 * changes. Rejects with `STORAGE_BLOCKED`, `STORAGE_FULL`, `STORAGE_OUTDATED`, `STORAGE_CORRUPT`, `OTHER_ENCRYPTION`, and with `IDENTITY_CHANGED`
 * if that happens while it opens.
 */
export function openStore<T = unknown>(session: Session, options: StoreOptions<T> = {}): Promise<Store<T>> {
  return Store.open(session, options);
}
