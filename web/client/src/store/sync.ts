import { onAbort } from '../abort.js';
import { pause, sleep } from '../backoff.js';
import { SynclineError } from '../errors.js';
import { followHints } from '../hints.js';
import type { Live } from '../hints.js';
import type { Ledger } from './ledger.js';
import type { Merger } from './merge.js';
import { filling, positionOf, walkAgain } from './mirror.js';
import type { Page } from './mirror.js';
import { clashed, claim, refused, renamed, stored } from './queue.js';
import type { Turn } from './queue.js';
import type { Remote } from './remote.js';
import { asError, isFinal } from './status.js';

/** `offline`: the server cannot be reached. `connecting`: not heard of yet. `live`: changes elsewhere are heard of at once. */
export type Connection = 'offline' | 'connecting' | 'syncing' | 'live';

export interface SyncOptions {
  /** Tells of changes elsewhere; without it the server is asked every `pollSeconds`. */
  live?: Live;
  /** How often the server is asked while nothing tells of changes, and the database for what a tab wrote that was killed before it told; 15 by default. */
  pollSeconds?: number;
}

/** What the server takes in one batch. */
const LARGEST_BATCH = 100;
/** Refusals that would come again. */
const FOR_GOOD = ['BAD_USER_INPUT', 'QUOTA_EXCEEDED', 'FENCED'];

/** Brings a store and the server into step, as long as it runs. */
export class Syncer {
  #pullWanted = true;
  #subscribed = false;
  #limit = LARGEST_BATCH;
  #wake = () => {};
  #retry = () => {};
  /** Records whose merge takes a while: a person is asked. */
  readonly #held = new Set<string>();

  constructor(
    private readonly ledger: Ledger,
    private readonly remote: Remote,
    private readonly merger: Merger<unknown>,
    private readonly options: SyncOptions,
    private readonly report: (connection: Connection, error?: SynclineError) => void,
  ) {}

  /** There may be something to send. */
  wake(): void {
    this.#wake();
  }

  /** There may be something to fetch, too, and trying again makes sense. */
  pull(): void {
    this.#pullWanted = true;
    this.#wake();
  }

  /** Until the signal is aborted. Rejects if it never works again here. */
  async run(signal: AbortSignal): Promise<void> {
    void this.#subscribe(signal);
    this.#pullWanted = true;
    for (let failed = 0, reached = false; !signal.aborted; ) {
      const woken = new Promise<void>((resolve) => (this.#wake = resolve));
      try {
        if (this.#pullWanted) this.report(reached ? 'syncing' : 'connecting');
        await this.#sync(signal);
        failed = 0;
        reached = true;
        this.report(this.options.live && !this.#subscribed ? 'connecting' : 'live');
        // While changes elsewhere are heard of, only what another tab may have queued before it ended.
        if ((await this.#wait(woken, (this.options.pollSeconds ?? 15) * 1000, signal)) && !this.#subscribed) this.#pullWanted = true;
      } catch (cause) {
        if (signal.aborted) return;
        const error = asError(cause);
        reached = false;
        this.#pullWanted = true;
        if (isFinal(error)) throw error; // it is another store's turn, or another tab's
        this.report(error.code === 'UNREACHABLE' ? 'offline' : 'connecting', error);
        const again = new Promise<void>((resolve) => (this.#retry = resolve));
        await this.#wait(again, pause(failed++, error.extensions['retryAfterMs']), signal);
      }
    }
  }

  /** The network is back: tries again at once. */
  online(): void {
    this.#retry();
    this.pull();
  }

  /** Until something happens, or for some time. Answers whether that has passed. */
  async #wait(happens: Promise<void>, milliseconds: number, signal: AbortSignal): Promise<boolean> {
    const over = new AbortController();
    const forget = onAbort(signal, () => over.abort());
    if (signal.aborted) over.abort();
    const passed = sleep(milliseconds, over.signal).then(() => true, () => false);
    const hasPassed = await Promise.race([happens.then(() => false), passed]);
    forget();
    over.abort();
    return hasPassed;
  }

  async #sync(signal: AbortSignal): Promise<void> {
    for (;;) {
      if (this.#pullWanted) await this.#pullAll(signal);
      else if (!(await this.#pushSome(signal))) return;
    }
  }

  /** Fetches pages until there are no more. */
  async #pullAll(signal: AbortSignal): Promise<void> {
    this.#pullWanted = false;
    const fill = filling(this.ledger);
    let next: { after: string; page: Promise<Page> } | undefined; // is fetched while the one before it is applied
    for (let more = true; more; ) {
      const { meta } = await this.ledger.read(async (reader) => reader);
      const { imported, walk } = meta;
      const from = positionOf(meta);
      let { cursor } = meta;
      let page: Page | undefined;
      try {
        page = await (next?.after === cursor ? next.page : this.remote.page(cursor, signal));
        signal.throwIfAborted();
        if (!cursor && walk?.from) await this.remote.page((cursor = walk.from), signal, 1);
      } catch (error) {
        const { code, extensions } = error as SynclineError;
        // A cursor that the server cannot read is of no more use than one that is too old.
        const head = code === 'EPOCH_MISMATCH' ? Number(extensions['restoredHead']) : code === 'CURSOR_TOO_OLD' || code === 'BAD_USER_INPUT' ? Infinity : undefined;
        if (!cursor || head === undefined) throw error; // nothing is older than the beginning: the server is tried again later
        const erased = extensions['erased'] === true;
        if (!page || head < (walk!.head ?? Infinity) || (erased && !walk!.erased)) {
          await this.ledger.write('write', (writer) => walkAgain(writer, from, head, erased));
          continue;
        }
      }
      more = page.hasMore;
      if (more) {
        next = { after: page.cursor, page: this.remote.page(page.cursor, signal) };
        next.page.catch(() => {}); // told when its turn comes
      }
      if (imported || page.records.length > 0 || page.cursor !== meta.cursor) await fill(from, page);
    }
  }

  /** Sends what may be sent together, after merging what has to be. Answers false if there is nothing to do. */
  async #pushSome(signal: AbortSignal): Promise<boolean> {
    if ((await this.ledger.read(async ({ meta }) => meta.pending.count)) === 0) return false;
    const turn = await this.ledger.write('durable', (writer) => claim(writer, this.#limit, this.#held));
    if (!turn) {
      this.#pullWanted = true; // another tab walks or has imported a file, and may have ended: this one goes on
      return true;
    }
    let merged = false;
    for (const id of turn.stale) {
      if (this.merger.asks(id)) void this.#hold(id, signal);
      else {
        await this.merger.merge(id);
        merged = true;
      }
    }
    if (turn.writes.length === 0) return merged;
    this.report('syncing');
    try {
      const { status, results } = await this.remote.write(turn.claim!.mutationId, turn.writes, signal);
      if (status === 'SUCCESS') await this.ledger.write('write', (writer) => stored(writer, turn, results));
      else {
        await this.ledger.write('write', (writer) => clashed(writer, turn, results));
        this.#pullWanted = true; // the answer teaches nothing if the server was restored
      }
      this.#limit = status === 'SUCCESS' ? Math.min(this.#limit * 2, LARGEST_BATCH) : Math.ceil(this.#limit / 2);
    } catch (error) {
      if (!(error instanceof SynclineError)) throw error;
      if (error.code === 'MUTATION_ID_REUSED') await this.ledger.write('write', (writer) => renamed(writer, turn));
      else if (FOR_GOOD.includes(error.code)) await this.#refuse(turn, error);
      else throw error;
    }
    return true;
  }

  /** Where it is not said which write is meant, smaller and smaller parts are tried. */
  async #refuse(turn: Turn, error: SynclineError): Promise<void> {
    const at = /^input\.writes\.(\d+)\./.exec(String(error.extensions['field']))?.[1];
    await this.ledger.write('write', (writer) => refused(writer, turn, error, at === undefined ? undefined : Number(at)));
    if (at === undefined) this.#limit = Math.ceil(Math.min(this.#limit, turn.writes.length) / 2);
  }

  async #hold(id: string, signal: AbortSignal): Promise<void> {
    this.#held.add(id);
    try {
      await this.merger.merge(id);
    } catch (error) {
      if (!signal.aborted) this.report('connecting', error as SynclineError);
    } finally {
      this.#held.delete(id);
      this.wake();
    }
  }

  /** Hears that there is something to fetch. What that is comes by pages, which show no half of a batch. */
  async #subscribe(signal: AbortSignal): Promise<void> {
    const { live } = this.options;
    if (live)
      await followHints(
        live,
        (subscribed) => {
          this.#subscribed = subscribed;
          this.pull();
        },
        signal,
      );
  }
}
