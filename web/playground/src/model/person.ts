import { browserKeyStore, Identity, openIdentity, SynclineError } from '@syncline/client';
import type { KeyStore } from '@syncline/client';
import { createStore } from 'zustand/vanilla';
import type { StoreApi } from 'zustand/vanilla';

import { asSynclineError } from './errors.ts';
import { LockNames } from './lock-names.ts';

/** Who the page's two users are called. */
export type PersonName = 'First user' | 'Second user';

export interface PersonState {
  identity: Identity;
  /** Why the browser does not keep the identity; null if it does. */
  notKept: SynclineError | null;
  /** Another tab of the browser has put this identity in place of the one before. */
  fromAnotherTab: boolean;
}

/** A user of the playground: an identity, kept by the browser from one visit to the next. */
export class Person {
  readonly state: StoreApi<PersonState>;
  readonly locks: LockNames;

  /** Tells the browser's other tabs that another identity is kept. */
  readonly #tabs: BroadcastChannel;

  private constructor(
    readonly name: PersonName,
    private readonly keys: KeyStore,
    state: Omit<PersonState, 'fromAnotherTab'>,
  ) {
    this.state = createStore(() => ({ ...state, fromAnotherTab: false }));
    this.locks = new LockNames(name, state.identity.publicKey);
    this.state.subscribe(({ identity }, before) => identity !== before.identity && this.locks.forget(identity.publicKey));
    this.#tabs = new BroadcastChannel(`syncline playground: ${name}`);
    this.#tabs.onmessage = () => void this.#follow();
  }

  /** The user of the last visit; a new one on the first, and one for this visit only where nothing can be kept. */
  static async open(name: PersonName): Promise<Person> {
    const keys = browserKeyStore({ name: `playground: ${name}` });
    try {
      return new Person(name, keys, { identity: await openIdentity(keys), notKept: null });
    } catch (error) {
      return new Person(name, keys, { identity: Identity.create(), notKept: asSynclineError(error) });
    }
  }

  get identity(): Identity {
    return this.state.getState().identity;
  }

  /** Puts another identity in place of the present one, which is forgotten, in all tabs. */
  async become(identity: Identity): Promise<void> {
    let notKept: SynclineError | null = null;
    try {
      await this.keys.save(identity);
      this.#tabs.postMessage(null);
    } catch (error) {
      notKept = asSynclineError(error);
    }
    this.state.setState({ identity, notKept, fromAnotherTab: false });
  }

  /** Nobody writes on as a user whose key is kept nowhere any more. */
  async #follow(): Promise<void> {
    const kept = await this.keys.load().catch(() => null);
    if (kept && kept.publicKey !== this.identity.publicKey) this.state.setState({ identity: kept, notKept: null, fromAnotherTab: true });
  }

  /** The user of the page knows of it. */
  dismiss(): void {
    this.state.setState({ fromAnotherTab: false });
  }
}
