import { browserKeyStore, Identity, openIdentity, SynclineError } from '@syncline/client';
import type { KeyStore } from '@syncline/client';
import { createStore } from 'zustand/vanilla';
import type { StoreApi } from 'zustand/vanilla';

import { asSynclineError } from './errors.ts';

/** Who the page's two users are called. */
export type PersonName = 'First user' | 'Second user';

export interface PersonState {
  identity: Identity;
  /** Why the browser does not keep the identity; null if it does. */
  notKept: SynclineError | null;
}

/** A user of the playground: an identity, kept by the browser from one visit to the next. */
export class Person {
  readonly state: StoreApi<PersonState>;

  private constructor(
    readonly name: PersonName,
    private readonly keys: KeyStore,
    state: PersonState,
  ) {
    this.state = createStore(() => state);
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

  /** Puts another identity in place of the present one, which is forgotten. */
  async become(identity: Identity): Promise<void> {
    let notKept: SynclineError | null = null;
    try {
      await this.keys.save(identity);
    } catch (error) {
      notKept = asSynclineError(error);
    }
    this.state.setState({ identity, notKept });
  }
}
