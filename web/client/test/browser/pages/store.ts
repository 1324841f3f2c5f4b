import { browserKeyStore, Identity, memoryKeyStore, openIdentity, Session } from '@syncline/client';
import { createSocket } from '@syncline/client/graphql-ws';
import { indexedDBStorage, openStore } from '@syncline/client/store';
import type { Status, Store } from '@syncline/client/store';

import { storageSuite } from '../../store/storage-suite.js';

let opened: Promise<Store<number>> | undefined;
let seen: Record<string, number> = {};

const page = {
  /** Runs the suite of storages over IndexedDB. Answers what failed. */
  async suite() {
    const failed: string[] = [];
    for (const [name, check] of Object.entries(storageSuite)) {
      await check(() => indexedDBStorage(`suite ${name}`)).catch((error: Error) => failed.push(`${name}: ${error.message}`));
    }
    return { checks: Object.keys(storageSuite).length, failed };
  },

  /** Opens the store of this browser's user. Answers the error's code, or nothing. */
  async open(url: string, keys = browserKeyStore()): Promise<string> {
    const session = new Session({ url, identity: await openIdentity(keys) });
    opened ??= openStore<number>(session, { live: createSocket(session) });
    let store: Store<number>;
    try {
      store = await opened;
    } catch (error) {
      opened = undefined;
      return (error as { code: string }).code;
    }
    await new Promise<void>((told) => {
      store.watch({}, (records) => {
        seen = Object.fromEntries(records.map(({ id, value }) => [id, value!]));
        told();
      });
    });
    return '';
  },

  /** The same for a user whom this browser does not keep. */
  openUnknown: (url: string) => page.open(url, memoryKeyStore()),

  /** Writes; answers the error's code, or nothing. */
  async put(id: string, value: number, where: 'here' | 'server') {
    const written = (await opened!).put(id, value);
    return (where === 'here' ? written : written.synced).then(() => '', (error: { code?: string }) => error.code ?? String(error));
  },

  /** Everything as one file, as text. */
  export: async () => (await (await opened!).export()).text(),

  /** Takes it from there. Answers the error's code, or nothing. */
  import: async (text: string) => (await opened!).import(new Blob([text])).then(() => '', (error: { code?: string }) => error.code ?? String(error)),

  /** The user's key. */
  key: async () => (await openIdentity(browserKeyStore())).exportHex(),

  /** Has the browser keep this user, before a store is opened. */
  keep: (key: string) => browserKeyStore().save(Identity.fromHex(key)),

  /** What the watch of everything saw last. */
  seen: () => seen,

  status: async (): Promise<Omit<Status, 'error'> & { error?: string }> => {
    const { error, ...status } = (await opened!).status;
    return { ...status, ...(error && { error: error.code }) };
  },

  acknowledge: async () => (await opened!).acknowledge(),

  /** As a browser that needs room does. */
  async evict() {
    (await opened!).close();
    opened = undefined;
    for (const { name } of await indexedDB.databases()) {
      if (name!.startsWith('syncline http')) await new Promise((resolve) => (indexedDB.deleteDatabase(name!).onsuccess = resolve));
    }
  },
};

declare global {
  var stored: typeof page;
}
globalThis.stored = page;
