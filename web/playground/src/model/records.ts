import type { FeedRecord } from '@syncline/client';
import { createStore } from 'zustand/vanilla';

/** A live record, without its data: there may be many. */
export type Listed = Omit<FeedRecord, 'data'>;

/** What is kept of each record's changes. */
const MOST_HISTORY = 20;

/** All live records of a user, and what this page saw of their changes, as the feed brings them. */
export class Records {
  /** Grows with each change, so that whoever shows them looks again. */
  readonly version = createStore(() => 0);
  readonly live = new Map<string, Listed>();
  readonly #history = new Map<string, Listed[]>();

  /** Takes the next of the feed's changes. */
  take({ data: _, ...listed }: FeedRecord): void {
    const { id, deleted } = listed;
    if (deleted) this.live.delete(id);
    else this.live.set(id, listed);
    const history = this.#history.get(id) ?? [];
    if (history[0]?.revision !== listed.revision) this.#history.set(id, [listed, ...history].slice(0, MOST_HISTORY));
  }

  /** Says that changes were taken. */
  tell(): void {
    this.version.setState((n) => n + 1, true);
  }

  /** What this page saw of a record, newest first. */
  history(id: string): readonly Listed[] {
    return this.#history.get(id) ?? [];
  }

  forget(): void {
    this.live.clear();
    this.#history.clear();
    this.tell();
  }
}

/** Orders in which records are listed. */
export type Order = 'newest' | 'id';

/** The records whose id contains some text. */
export function search(live: ReadonlyMap<string, Listed>, text: string, order: Order): Listed[] {
  const found = [...live.values()].filter(({ id }) => id.includes(text));
  return order === 'id' ? found.sort((a, b) => (a.id < b.id ? -1 : 1)) : found.sort((a, b) => b.revision - a.revision);
}
