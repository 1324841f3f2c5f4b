import { follow } from '@syncline/client';
import type { FeedRecord, RecordChange, Subscriber, SynclineError } from '@syncline/client';
import { createStore } from 'zustand/vanilla';

import { asSynclineError } from './errors.ts';
import type { Records } from './records.ts';
import type { Seen } from './seen.ts';

/** How the feed stands: `replaying` brings what was there, `live` what happens. */
export type FeedStatus = 'connecting' | 'replaying' | 'live' | 'offline' | 'ended';

export type FeedItem =
  | { kind: 'record'; key: number; record: FeedRecord; live: boolean }
  | { kind: 'caught-up'; key: number };

export interface FeedState {
  status: FeedStatus;
  /** Newest first. */
  items: readonly FeedItem[];
  /** Records that came in all. */
  count: number;
  /** Of them those that are older than `items`, which let them go. */
  dropped: number;
  /** Why it ended. */
  error: SynclineError | null;
}

/** Items that are kept, and about how many characters of data; older ones are let go. */
const MOST_ITEMS = 1000;
const MOST_DATA = 16 << 20;

/** Events that come together are shown together, this many milliseconds after the first. */
const PAUSE = 50;

const EMPTY: FeedState = { status: 'connecting', items: [], count: 0, dropped: 0, error: null };

/** What one device hears of its user's data. */
export class Feed {
  readonly state = createStore<FeedState>(() => EMPTY);
  #keys = 0;
  #live = false;
  #waiting: FeedItem[] = []; // newest last
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly seen: Seen,
    private readonly records: Records,
  ) {}

  /** Listens to the socket's connections. */
  readonly connection = {
    connected: () => this.state.setState({ status: 'replaying' }),
    closed: () => {
      if (this.#timer) this.#show();
      this.#live = false;
      if (this.state.getState().status !== 'ended') this.state.setState({ status: 'offline' });
    },
  };

  /** Follows from the beginning until the signal is aborted or the server refuses. */
  async follow(socket: Subscriber, signal: AbortSignal): Promise<void> {
    this.#live = false;
    this.#forget();
    this.state.setState(EMPTY);
    try {
      for await (const change of follow(socket, { since: '0', signal })) this.#take(change);
    } catch (error) {
      if (!signal.aborted) this.state.setState({ status: 'ended', error: asSynclineError(error) });
    }
  }

  /** Clears what is shown; what comes next is shown again. */
  clear(): void {
    this.#forget();
    this.state.setState({ items: [], count: 0, dropped: 0 });
  }

  #forget(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#waiting = [];
  }

  #take(change: RecordChange): void {
    const key = ++this.#keys;
    if (change.kind === 'CAUGHT_UP') {
      this.#live = true;
      this.#waiting.push({ kind: 'caught-up', key });
    } else {
      this.seen.record(change.record);
      this.records.take(change.record);
      this.#waiting.push({ kind: 'record', key, record: change.record, live: this.#live });
    }
    this.#timer ??= setTimeout(() => this.#show(), PAUSE);
  }

  #show(): void {
    const waiting = [...this.#waiting].reverse();
    this.#forget();
    this.records.tell();
    const arrived = waiting.filter(({ kind }) => kind === 'record').length;
    this.state.setState(({ items, count }) => {
      const kept = newest([...waiting, ...items]);
      const shown = kept.filter(({ kind }) => kind === 'record').length;
      return { items: kept, count: count + arrived, dropped: count + arrived - shown, status: this.#live ? 'live' : 'replaying', error: null };
    });
  }
}

/** As many of the items as are kept. */
function newest(items: readonly FeedItem[]): readonly FeedItem[] {
  let data = 0;
  const end = items.findIndex((item, i) => {
    if (item.kind === 'record') data += item.record.data?.length ?? 0;
    return i === MOST_ITEMS || data > MOST_DATA;
  });
  return end < 0 ? items : items.slice(0, Math.max(end, 1));
}
