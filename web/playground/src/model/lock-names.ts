import { createStore } from 'zustand/vanilla';

import { keep, recall } from './preferences.ts';

/** Each name that is shown has a subscription, of which a connection has a bounded number. */
const MOST_NAMES = 30;

/** The locks of a user that the page knows by name, sorted: the server keeps no list of them. */
export class LockNames {
  readonly state;
  readonly #place: string;

  /** `user` tells the page's users apart, `publicKey` whom what was kept belongs to. */
  constructor(user: string, private publicKey: string) {
    this.#place = `syncline:locks of ${user}`;
    this.state = createStore<readonly string[]>(() => this.#kept());
  }

  /** Takes a name on; the one that was taken on first goes when there are too many. */
  add(name: string): void {
    const names = this.state.getState();
    if (!names.includes(name)) this.#set([...names, name].slice(-MOST_NAMES));
  }

  remove(name: string): void {
    this.#set(this.state.getState().filter((other) => other !== name));
  }

  /** Another user's locks are other locks. */
  forget(publicKey: string): void {
    this.publicKey = publicKey;
    this.#set([]);
  }

  #kept(): readonly string[] {
    const { publicKey, names } = Object(recall(this.#place)) as { publicKey?: unknown; names?: unknown };
    if (publicKey !== this.publicKey || !Array.isArray(names)) return [];
    return names.filter((name) => typeof name === 'string').slice(-MOST_NAMES);
  }

  #set(names: readonly string[]): void {
    this.state.setState(names, true);
    keep(this.#place, { publicKey: this.publicKey, names });
  }
}
