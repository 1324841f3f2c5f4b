import { onAbort } from '../abort.js';
import type { Changes } from './changes.js';
import type { Position } from './rows.js';
import { isFinal } from './status.js';

/** What of Web Locks is needed; `navigator.locks` has it. */
export interface Locks {
  request(name: string, options: { steal?: boolean; signal?: AbortSignal }, hold: () => Promise<unknown>): Promise<unknown>;
}

/** What of a BroadcastChannel is needed. */
export interface Channel {
  postMessage(message: unknown): void;
  onmessage: ((event: { data: unknown }) => void) | null;
  close(): void;
}

/** What the platform has for tabs; tests give their own. */
export interface TabOptions {
  /** `navigator.locks` by default; where there is none, each tab syncs by itself. */
  locks?: Locks | undefined;
  /** A BroadcastChannel by default. */
  channel?: ((name: string) => Channel) | undefined;
  /** Whether the tab cannot be seen; its timers may then run once a minute. */
  hidden?: () => boolean;
}

/** How often a tab that is seen asks whether there is a leader. */
const ASKS = 500;
/** So many questions without an answer: the leader is frozen, or hangs. */
const UNANSWERED = 3;

type Message = { kind: 'ask'; at?: Position } | { kind: 'here'; at?: Position; hidden: boolean } | { kind: 'told'; content: unknown };

/** The tabs of one store: they tell each other what happened, and one of them leads. */
export class Tabs {
  readonly #make: TabOptions['channel'];
  readonly #channel: Channel | undefined;
  readonly #locks: Locks | undefined;
  readonly #hidden: () => boolean;
  #closed = false;
  #leading = false;
  #unanswered = 0;
  #takeOver = () => {};

  constructor(
    private readonly name: string,
    options: TabOptions,
    /** Tabs tell with each question and answer how far they are. */
    private readonly changes: Pick<Changes, 'position' | 'see'>,
    private readonly heard: (content: unknown) => void,
  ) {
    const page = globalThis as { document?: { visibilityState?: string }; navigator?: { locks?: Locks } };
    this.#locks = 'locks' in options ? options.locks : page.navigator?.locks;
    this.#hidden = options.hidden ?? (() => page.document?.visibilityState === 'hidden');
    this.#make = 'channel' in options ? options.channel : typeof BroadcastChannel === 'undefined' ? undefined : broadcast;
    this.#channel = this.#make?.(name);
    if (this.#channel) this.#channel.onmessage = ({ data }) => this.#hear(data as Message);
  }

  tell(content: unknown): void {
    const channel = this.#closed ? this.#make?.(this.name) : this.#channel; // a write may end after its tab was closed
    channel?.postMessage({ kind: 'told', content } satisfies Message);
    if (this.#closed) channel?.close();
  }

  /**
   * Does the work whenever this tab leads, until it is over. The work's signal is aborted then, and when another tab
   * takes over, because this one did not answer, or was hidden while the other is seen. Where the browser refuses locks, it
   * rejects, and the work is done all the same. Rejects with the work's error if that is final: then other tabs lead.
   */
  async lead(work: (signal: AbortSignal) => Promise<void>, over: AbortSignal): Promise<void> {
    if (!this.#locks) return work(over);
    const timer = setInterval(() => this.#ask(), ASKS);
    (timer as { unref?: () => void }).unref?.();
    onAbort(over, () => clearInterval(timer));
    try {
      for (let steal = false; !over.aborted; ) steal = await this.#turn(steal, work, over);
    } catch (error) {
      clearInterval(timer);
      if (!isFinal(error)) void work(over).catch(() => {}); // as where there are no locks
      throw error;
    }
  }

  /** Waits to lead, or takes over, and leads until that ends. Answers whether to take over instead of waiting. */
  async #turn(steal: boolean, work: (signal: AbortSignal) => Promise<void>, over: AbortSignal): Promise<boolean> {
    const waiting = new AbortController();
    const turn = new AbortController();
    const end = (reason: unknown) => {
      waiting.abort(reason);
      turn.abort(reason);
    };
    const forget = onAbort(over, () => end(over.reason));
    let takesOver = false;
    this.#takeOver = () => {
      if (this.#leading) return;
      takesOver = true;
      waiting.abort();
    };
    const hold = async () => {
      this.#leading = true;
      await work(turn.signal);
    };
    // Rejects as soon as another tab takes over, or the waiting is given up.
    await this.#locks!.request(this.name, steal ? { steal } : { signal: waiting.signal }, hold).catch((error: unknown) => {
      if (isFinal(error) || (!this.#leading && !waiting.signal.aborted)) throw error;
    }).finally(() => {
      this.#leading = false;
      end(new DOMException('another tab leads', 'AbortError'));
      forget();
    });
    return takesOver;
  }

  #ask(): void {
    if (this.#leading || this.#hidden()) {
      this.#unanswered = 0;
      return;
    }
    if (++this.#unanswered > UNANSWERED) {
      this.#unanswered = 0;
      this.#takeOver();
      return;
    }
    this.#channel?.postMessage({ kind: 'ask', at: this.changes.position } satisfies Message);
  }

  #hear(message: Message): void {
    if (message.kind === 'told') return this.heard(message.content);
    if (message.at) this.changes.see(message.at); // tabs of older releases do not say
    if (message.kind === 'ask') {
      if (this.#leading) this.#channel!.postMessage({ kind: 'here', at: this.changes.position, hidden: this.#hidden() } satisfies Message);
    } else {
      this.#unanswered = 0;
      if (message.hidden && !this.#leading && !this.#hidden()) this.#takeOver();
    }
  }

  close(): void {
    this.#closed = true;
    this.#channel?.close();
  }
}

function broadcast(name: string): Channel {
  const channel = new BroadcastChannel(name);
  (channel as { unref?: () => void }).unref?.(); // of Node.js, which would wait for it
  return channel as unknown as Channel;
}
