import { SynclineError } from '../errors.js';
import { callBack } from './call-back.js';
import { isEqual } from './merge.js';
import type { Meta } from './rows.js';
import type { Connection } from './sync.js';
import type { Witness } from './witness.js';

/** An error as the app is told of it. */
export function asError(cause: unknown): SynclineError {
  return cause instanceof SynclineError ? cause : new SynclineError('PROTOCOL', String(cause), {}, { cause });
}

/** Whether a store does not work again: it is another user's turn, or this tab has to be reloaded. */
export function isFinal(error: unknown): boolean {
  return ['IDENTITY_CHANGED', 'OTHER_ENCRYPTION', 'STORAGE_OUTDATED'].includes((error as SynclineError).code);
}

/** How a store is. A new object whenever something is different. */
export interface Status {
  /** Of the tab that syncs. */
  readonly connection: Connection;
  /** Writes that wait to be sent, and the bytes of their data. */
  readonly pending: { readonly count: number; readonly bytes: number };
  /** How many are set aside. */
  readonly refused: number;
  /** Nothing waits, nothing is set aside, and nothing was lost that the app does not know of: see {@link Store.acknowledge}. */
  readonly uploaded: boolean;
  /** Everything was fetched at least once. */
  readonly complete: boolean;
  /** What went wrong last; absent again once syncing works. If this tab has to be reloaded, that, from then on. */
  readonly error?: SynclineError | undefined;
  /** The browser removed the database, with so many writes in it that the server may not have. All tabs are told, until one of them says that the app knows. */
  readonly evicted?: { readonly pending: number } | undefined;
}

/** What the tab that syncs tells the others. */
interface Told {
  connection: Connection;
  error?: { code: string; message: string };
}

/** What the database says of it. */
type Known = Pick<Meta, 'life' | 'pending' | 'refused' | 'complete' | 'evicted'>;

type Seen = Pick<Status, Exclude<keyof Known, 'life'> | 'uploaded'>;

/** What is known of a store's status, and who is told. */
export class StatusBoard {
  status: Status;
  /** Of which database that is. */
  life: string;
  readonly #listeners = new Set<(status: Status) => void>();
  /** Writes that were lost, as long as the database does not say so itself. */
  #lost: number;
  #seenLast: Seen;

  constructor(
    meta: Meta,
    private readonly witness: Witness | undefined,
  ) {
    this.#lost = meta.evicted?.pending ?? 0;
    this.life = meta.life;
    this.#seenLast = this.#seen(meta);
    this.status = { connection: 'connecting', ...this.#seenLast };
  }

  /** What this tab, syncing, has to tell; undefined in one that does not sync. */
  told: Told | undefined;

  /** Stays, whatever other tabs tell. */
  #final: SynclineError | undefined;

  /** This tab syncs, and this is how it goes. Answers whether that is new. */
  connect(connection: Connection, error?: SynclineError): boolean {
    const { told } = this;
    // An error stays while it is being tried again.
    const shown = error ?? (connection === 'live' ? undefined : this.status.error);
    this.told = { connection, ...(shown && { error: { code: shown.code, message: shown.message } }) };
    if (isEqual(told, this.told)) return false;
    this.#set({ connection, error: shown });
    return true;
  }

  /** Another tab syncs. */
  follow({ connection, error }: Told): void {
    this.told = undefined;
    this.#set({ connection, error: this.#final ?? (error && new SynclineError(error.code, error.message)) });
  }

  failed(cause: unknown): void {
    const error = asError(cause);
    if (isFinal(error)) this.#final = error;
    this.#set({ error: this.#final ?? error });
  }

  listen(listener: (status: Status) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  change(known: Known): void {
    const seen = this.#seen(known);
    this.life = known.life;
    this.witness?.note(atStake(seen));
    if (!isEqual(seen, this.#seenLast)) this.#set((this.#seenLast = seen));
  }

  /** The database is gone. Answers with how many writes. */
  lost(): number {
    return (this.#lost = atStake(this.status));
  }

  /** Whether the server has everything. */
  isUploaded(known: Known): boolean {
    return this.#seen(known).uploaded;
  }

  #seen({ pending, refused, complete, evicted }: Known): Seen {
    const lost = evicted === undefined ? this.#lost : evicted?.pending;
    return { pending, refused, uploaded: pending.count === 0 && refused === 0 && !lost, complete, evicted: lost ? { pending: lost } : undefined };
  }

  #set(changed: Partial<Status>): void {
    this.status = { ...this.status, ...changed };
    for (const listener of [...this.#listeners]) void callBack(listener, this.status);
  }
}

/** Writes that would be lost with the database, or were with one before it. */
function atStake({ pending, refused, evicted }: Pick<Status, 'pending' | 'refused' | 'evicted'>): number {
  return pending.count + refused + (evicted?.pending ?? 0);
}
