import { Identity, Session } from '@syncline/client';
import { memoryStorage, openStore } from '@syncline/client/store';
import type { Channel, Locks, Status, Storage, Store, StoreOptions } from '@syncline/client/store';
import type { Server } from 'syncline-testing';

/** Web Locks for tabs of this process. */
export class TestLocks implements Locks {
  readonly #queues = new Map<string, { hold: () => Promise<unknown>; end: (error?: unknown, value?: unknown) => void }[]>();

  request(name: string, { steal, signal }: { steal?: boolean; signal?: AbortSignal }, hold: () => Promise<unknown>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const queue = this.#queues.get(name) ?? [];
      this.#queues.set(name, queue);
      const entry = {
        hold,
        end: (error?: unknown, value?: unknown) => {
          const at = queue.indexOf(entry);
          if (at < 0) return;
          queue.splice(at, 1);
          if (error) reject(error as Error);
          else resolve(value);
          if (at === 0) this.#grant(queue);
        },
      };
      if (signal?.aborted) return reject(signal.reason as Error);
      signal?.addEventListener('abort', () => queue[0] !== entry && entry.end(signal.reason));
      if (steal) {
        const holder = queue.shift();
        queue.unshift(entry);
        if (holder) {
          queue.push(holder);
          holder.end(new DOMException('stolen', 'AbortError'));
        }
        this.#grant(queue);
      } else {
        queue.push(entry);
        if (queue.length === 1) this.#grant(queue);
      }
    });
  }

  #grant(queue: { hold: () => Promise<unknown>; end: (error?: unknown, value?: unknown) => void }[]): void {
    const [first] = queue;
    first?.hold().then((value) => first.end(undefined, value), (error: unknown) => first.end(error));
  }
}

/** What a browser gives the tabs of an app. */
export class Platform {
  readonly locks = new TestLocks();
  readonly #channels = new Map<string, Set<Channel>>();

  /** What its tabs share. */
  readonly storage: Storage;

  constructor(storage: Storage = memoryStorage()) {
    this.storage = { ...storage, shared: true };
  }

  channel(name: string): Channel {
    const all = this.#channels.get(name) ?? new Set();
    this.#channels.set(name, all);
    const own: Channel = {
      onmessage: null,
      postMessage: (message) => {
        const data = structuredClone(message);
        for (const other of all) if (other !== own) queueMicrotask(() => other.onmessage?.({ data }));
      },
      close: () => void all.delete(own),
    };
    all.add(own);
    return own;
  }
}

/** One browser, with a profile of its own, as one user. Its tabs open stores. */
export class Device extends Platform {
  readonly stores: Store<unknown>[] = [];

  constructor(
    readonly identity: Identity,
    readonly url: string,
    storage?: Storage,
  ) {
    super(storage);
  }

  async tab<T = unknown>(options: StoreOptions<T> = {}, session = new Session({ url: this.url, identity: this.identity })): Promise<Store<T>> {
    const tabs = { locks: this.locks, channel: (name: string) => this.channel(name), hidden: () => false, ...options.tabs };
    const store = await openStore<T>(session, { storage: this.storage, pollSeconds: 3600, persist: false, ...options, tabs });
    this.stores.push(store as Store<unknown>);
    return store;
  }

  close(): void {
    for (const store of this.stores) store.close();
  }
}

/** Devices of one user. */
export function devices(server: Server, count: number): Device[] {
  const identity = Identity.create();
  return Array.from({ length: count }, () => new Device(identity, server.url));
}

/** When a status is as described. */
export function when(store: Pick<Store<unknown>, 'status' | 'onStatus'>, holds: (status: Status) => boolean): Promise<Status> {
  return new Promise((resolve) => {
    const look = (status: Status) => {
      if (!holds(status)) return;
      stop();
      resolve(status);
    };
    const stop = store.onStatus(look);
    look(store.status);
  });
}
