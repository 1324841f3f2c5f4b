import type { Change, Ledger, Reader } from './ledger.js';
import type { Position } from './rows.js';

/** Who is told of changes, in order and of each once, or is asked to read everything anew. */
export interface Listener {
  change(change: Change): void;
  /** Reads what changes would have told. Called within one transaction with the others. */
  reload(reader: Reader): Promise<void>;
}

/** How long a change may be overtaken by later ones, in milliseconds. Its tab may have ended before it told of it. Up to 32 times as long after reading failed. */
const LONGEST_GAP = 250;

/**
 * Brings changes of all tabs into their order. Where one is missing for long, as of a tab that was killed before it
 * told of it, all listeners read anew.
 */
export class Changes {
  readonly #early = new Map<number, Change>();
  readonly #listeners = new Set<Listener>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #reloading: Promise<void> | undefined;
  #again = false;
  /** How often reading failed since it worked. */
  #failed = 0;
  /** The last transaction that this tab knows to be there. */
  #seen = 0;
  /** So many are reading everything for the first time. */
  #joining = 0;
  #waiting: [version: number, resolve: () => void][] = [];

  constructor(
    private readonly ledger: Ledger,
    /** The last transaction that everybody was told of. */
    private version: number,
    private readonly failed: (error: unknown) => void,
  ) {}

  /** Has somebody read everything, and be told of what comes after. Answers how to stop that. */
  async join(listener: Listener): Promise<() => void> {
    let early: Change[] | undefined = []; // what comes while it reads
    let since = 0;
    let missed = false;
    const read = async (reader: Reader) => {
      await listener.reload(reader);
      since = reader.meta.version;
    };
    const joined: Listener = {
      change(change) {
        if (early) early.push(change);
        else if (change.version > since) listener.change(change);
      },
      async reload(reader) {
        if (early) missed = true;
        else await read(reader);
      },
    };
    this.#listeners.add(joined);
    this.#joining++;
    const leave = () => void this.#listeners.delete(joined);
    try {
      do {
        missed = false;
        await this.ledger.read(read);
      } while (missed);
      const waiting = early;
      early = undefined;
      for (const change of waiting) joined.change(change);
      return leave;
    } catch (error) {
      leave();
      throw error;
    } finally {
      this.#joining--;
      this.#release();
    }
  }

  /** Resolves when everybody was told of all that is known to be there by now, or cannot be. */
  told(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push([this.#seen, resolve]);
      this.#release();
    });
  }

  #release(all?: boolean): void {
    this.#waiting = this.#waiting.filter(([version, resolve]) => (!all && this.#listeners.size && (this.#joining || version > this.version)) || void resolve());
  }

  receive(change: Change): void {
    if (change.life === this.ledger.life && change.version > this.version) this.#early.set(change.version, change);
    this.see(change);
  }

  get position(): Position {
    return { life: this.ledger.life, version: this.version };
  }

  /** Hears how far another tab is, or the database. What is missing here then comes, or its tab ended before it told of it. */
  see({ life, version }: Position): void {
    if (life !== this.ledger.life) return void this.reload(); // one of the two databases is not there any more
    this.#seen = Math.max(this.#seen, version);
    this.#deliver();
  }

  #deliver(): void {
    if (this.#reloading || this.#listeners.size === 0) return; // what it reads may be older than these
    for (let next; (next = this.#early.get(this.version + 1)); ) {
      this.#early.delete(++this.version);
      for (const listener of [...this.#listeners]) listener.change(next);
    }
    if (this.#seen > this.version) this.#timer ??= setTimeout(() => void this.reload(), LONGEST_GAP * 2 ** Math.min(this.#failed, 5));
    else this.#stopWaiting();
    this.#release();
  }

  #stopWaiting(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** There is another database, whose transactions are counted from the beginning. */
  restart(): void {
    this.version = this.#seen = 0;
    this.#early.clear();
    this.#release(true);
    this.#again = true;
    void this.reload();
  }

  /** Has everybody read anew, such as after a tab was frozen. */
  reload(): Promise<void> {
    return (this.#reloading ??= this.#reload()
      .catch((error) => {
        this.#failed++;
        this.failed(error);
        this.#release(true);
      })
      .finally(() => {
        this.#reloading = undefined;
        this.#deliver();
      }));
  }

  async #reload(): Promise<void> {
    this.#stopWaiting();
    let version: number;
    do {
      this.#again = false;
      version = await this.ledger.read(async (reader) => {
        for (const listener of [...this.#listeners]) await listener.reload(reader);
        return reader.meta.version;
      });
    } while (this.#again);
    for (const early of this.#early.keys()) if (early <= version) this.#early.delete(early);
    this.version = Math.max(this.version, version);
    this.#failed = 0;
  }

  close(): void {
    this.#stopWaiting();
    this.#listeners.clear();
    this.#release();
  }
}
