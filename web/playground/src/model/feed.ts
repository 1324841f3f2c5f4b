import { follow } from '@syncline/client';
import type { FeedRecord, RecordChange, Subscriber, SynclineError } from '@syncline/client';
import { createStore } from 'zustand/vanilla';

import { asSynclineError } from './errors.ts';
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
  /** Why it ended. */
  error: SynclineError | null;
}

/** Items that are shown; older ones are let go. */
const MOST_ITEMS = 200;

const EMPTY: FeedState = { status: 'connecting', items: [], error: null };

/** What one device hears of its user's data. */
export class Feed {
  readonly state = createStore<FeedState>(() => EMPTY);
  #keys = 0;
  #live = false;

  constructor(private readonly seen: Seen) {}

  /** Listens to the socket's connections. */
  readonly connection = {
    connected: () => this.state.setState({ status: 'replaying' }),
    closed: () => {
      this.#live = false;
      if (this.state.getState().status !== 'ended') this.state.setState({ status: 'offline' });
    },
  };

  /** Follows from the beginning until the signal is aborted or the server refuses. */
  async follow(socket: Subscriber, signal: AbortSignal): Promise<void> {
    this.#live = false;
    this.state.setState(EMPTY);
    try {
      for await (const change of follow(socket, { since: '0', signal })) this.#take(change);
    } catch (error) {
      if (!signal.aborted) this.state.setState({ status: 'ended', error: asSynclineError(error) });
    }
  }

  /** Clears what is shown; what comes next is shown again. */
  clear(): void {
    this.state.setState({ items: [] });
  }

  #take(change: RecordChange): void {
    const key = ++this.#keys;
    if (change.kind === 'CAUGHT_UP') {
      this.#live = true;
      this.#show({ kind: 'caught-up', key }, 'live');
      return;
    }
    this.seen.record(change.record);
    this.#show({ kind: 'record', key, record: change.record, live: this.#live }, this.#live ? 'live' : 'replaying');
  }

  #show(item: FeedItem, status: FeedStatus): void {
    this.state.setState(({ items }) => ({ items: [item, ...items].slice(0, MOST_ITEMS), status, error: null }));
  }
}
