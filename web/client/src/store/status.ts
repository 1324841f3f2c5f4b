import { SynclineError } from '../errors.js';
import { callBack } from './call-back.js';
import type { Listener } from './changes.js';
import type { Change, Reader } from './ledger.js';
import type { Meta } from './rows.js';
import type { Connection } from './sync.js';
import type { Witness } from './witness.js';

/** How a store is. A new object whenever something is different. */
export interface Status {
  /** Of the tab that syncs. */
  readonly connection: Connection;
  /** Writes that wait to be sent, and the bytes of their data. */
  readonly pending: { readonly count: number; readonly bytes: number };
  /** How many are set aside. */
  readonly refused: number;
  /** Nothing waits and nothing is set aside. */
  readonly uploaded: boolean;
  /** Everything was fetched at least once. */
  readonly complete: boolean;
  /** What went wrong last; absent again once syncing works. */
  readonly error?: SynclineError | undefined;
  /** The browser removed the database since the app was here, with so many writes in it that were not sent. */
  readonly evicted?: { readonly pending: number } | undefined;
}

/** What the tab that syncs tells the others. */
interface Told {
  connection: Connection;
  error?: { code: string; message: string };
}

/** What is known of a store's status, and who is told. */
export class StatusBoard implements Listener {
  status: Status;
  readonly #listeners = new Set<(status: Status) => void>();

  constructor(
    { pending, refused, complete, version }: Meta,
    private readonly witness: Witness | undefined,
  ) {
    const lost = version === 0 ? witness?.pending : undefined;
    this.status = { connection: 'connecting', pending, refused, uploaded: isUploaded(pending, refused), complete, ...(lost !== undefined && { evicted: { pending: lost } }) };
  }

  /** What this tab, syncing, has to tell; undefined in one that does not sync. */
  told: Told | undefined;

  /** This tab syncs, and this is how it goes. Answers whether that is new. */
  connect(connection: Connection, error?: SynclineError): boolean {
    const { told } = this;
    // An error stays while it is being tried again.
    const shown = error ?? (connection === 'live' ? undefined : this.status.error);
    this.told = { connection, ...(shown && { error: { code: shown.code, message: shown.message } }) };
    if (told?.connection === connection && told.error?.code === shown?.code && told.error?.message === shown?.message) return false;
    this.#set({ connection, error: shown });
    return true;
  }

  /** Another tab syncs. */
  follow({ connection, error }: Told): void {
    this.told = undefined;
    this.#set({ connection, error: error && new SynclineError(error.code, error.message) });
  }

  failed(error: unknown): void {
    this.#set({ error: error instanceof SynclineError ? error : new SynclineError('PROTOCOL', String(error), {}, { cause: error }) });
  }

  listen(listener: (status: Status) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  change({ version, pending, refused, complete }: Pick<Change, 'version' | 'pending' | 'refused' | 'complete'>): void {
    if (version > 0) this.witness?.note(pending.count); // before that there is nothing to be removed
    const { status } = this;
    if (pending.count === status.pending.count && pending.bytes === status.pending.bytes && refused === status.refused && complete === status.complete) return;
    this.#set({ pending, refused, uploaded: isUploaded(pending, refused), complete });
  }

  async reload({ meta }: Reader): Promise<void> {
    this.change(meta);
  }

  #set(changed: Partial<Status>): void {
    this.status = { ...this.status, ...changed };
    for (const listener of [...this.#listeners]) void callBack(listener, this.status);
  }
}

function isUploaded(pending: { count: number }, refused: number): boolean {
  return pending.count === 0 && refused === 0;
}
