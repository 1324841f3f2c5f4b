import { SynclineError } from './errors.js';
import { Identity } from './identity.js';
import { mark, markOf } from './marks.js';

/** Where an app keeps its user's identity. Failures reject with a {@link SynclineError}. */
export interface KeyStore {
  /** The identity kept; null if none was ever saved. */
  load(): Promise<Identity | null>;
  /** Keeps this identity in place of any other. */
  save(identity: Identity): Promise<void>;
  /** Keeps this identity unless there is one already. Answers the one that is kept. */
  saveIfAbsent(identity: Identity): Promise<Identity>;
  /** Forgets the identity. Without a copy of its key, its data is out of reach. */
  remove(): Promise<void>;
}

/**
 * The identity kept; on the first visit a new one, which is kept from then on. One that was kept and is gone is not
 * replaced in silence: see {@link browserKeyStore}.
 */
export async function openIdentity(store: KeyStore): Promise<Identity> {
  return (await store.load()) ?? store.saveIfAbsent(Identity.create());
}

/** Keeps an identity as long as the page or process lives. */
export function memoryKeyStore(identity: Identity | null = null): KeyStore {
  let kept = identity;
  return {
    load: async () => kept,
    save: async (next) => void (kept = next),
    saveIfAbsent: async (next) => (kept ??= next),
    remove: async () => void (kept = null),
  };
}

export interface BrowserKeyStoreOptions {
  /** Tells identities of one origin apart; `default` by default. */
  name?: string;
  /** For tests. */
  indexedDB?: IDBFactory;
  /** For tests; undefined where the page has no WebCrypto. */
  subtle?: SubtleCrypto | undefined;
}

/** What is kept: encrypted, or as it is where the page has no WebCrypto (plain http). */
type Entry = { wrapping: CryptoKey; iv: Uint8Array<ArrayBuffer>; sealed: ArrayBuffer } | { plain: Uint8Array<ArrayBuffer> };

/**
 * Keeps an identity in IndexedDB, encrypted under a WebCrypto key that no script
 * can export: a copy of the database or a look through the browser's files does
 * not show it. A script in the page can still use it, so keep a strict
 * Content-Security-Policy; and the browser's files hold both parts, so whoever
 * takes them apart needs to be kept off the disk.
 *
 * Rejects with `STORAGE_BLOCKED`, `STORAGE_FULL`, `STORAGE_CORRUPT` or, if the
 * browser removed the identity, `STORAGE_EVICTED`, and never makes a new identity
 * in place of one that cannot be read or is gone: `save` a copy of it, or `remove`
 * what is left to begin as a new user. A mark in localStorage, which has the
 * public key, tells that there was one.
 */
export function browserKeyStore(options: BrowserKeyStoreOptions = {}): KeyStore {
  const name = options.name ?? 'default';
  const subtle = 'subtle' in options ? options.subtle : globalThis.crypto?.subtle;
  const run = <T>(mode: IDBTransactionMode, act: (entries: IDBObjectStore) => IDBRequest<T>) =>
    transact(() => options.indexedDB ?? globalThis.indexedDB, mode, act);

  const there = `syncline identity ${name}`;

  const load = async () => {
    const entry = await run<Entry | undefined>('readonly', (entries) => entries.get(name) as IDBRequest<Entry | undefined>);
    if (entry === undefined && markOf(there)) throw evicted(markOf(there)!);
    if (entry === undefined) return null;
    const identity = await open(entry, subtle);
    mark(there, identity.publicKey); // which earlier releases did not
    return identity;
  };
  return {
    load,
    async save(identity) {
      const entry = await seal(identity, subtle);
      await run('readwrite', (entries) => entries.put(entry, name));
      mark(there, identity.publicKey);
    },
    async saveIfAbsent(identity) {
      const entry = await seal(identity, subtle);
      try {
        await run('readwrite', (entries) => entries.add(entry, name));
        mark(there, identity.publicKey);
        return identity;
      } catch (error) {
        const other = isTaken(error) ? await load() : null; // by another tab, a moment ago
        if (other) return other;
        throw error;
      }
    },
    async remove() {
      await run('readwrite', (entries) => entries.delete(name));
      mark(there, null);
    },
  };
}

/** The names under which a browser keeps identities. */
export async function storedNames({ indexedDB }: BrowserKeyStoreOptions): Promise<string[]> {
  return transact(() => indexedDB ?? globalThis.indexedDB, 'readonly', (entries) => entries.getAllKeys() as IDBRequest<string[]>);
}

async function seal(identity: Identity, subtle: SubtleCrypto | undefined): Promise<Entry> {
  if (!subtle) return { plain: identity.exportBytes() };
  const wrapping = await subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
  const iv = crypto.getRandomValues(new Uint8Array(12));
  return { wrapping, iv, sealed: await subtle.encrypt({ name: 'AES-GCM', iv }, wrapping, identity.exportBytes()) };
}

async function open(entry: Entry, subtle: SubtleCrypto | undefined): Promise<Identity> {
  try {
    if ('plain' in entry) return Identity.fromBytes(entry.plain);
    const opened = await subtle!.decrypt({ name: 'AES-GCM', iv: entry.iv }, entry.wrapping, entry.sealed);
    return Identity.fromBytes(new Uint8Array(opened));
  } catch (cause) {
    throw new SynclineError(
      'STORAGE_CORRUPT',
      'the identity kept in this browser cannot be read: import the key from your copy, or remove it and begin as a new user',
      {},
      { cause },
    );
  }
}

function evicted(publicKey: string): SynclineError {
  return new SynclineError(
    'STORAGE_EVICTED',
    'this browser removed the identity that the page kept: import the key from your copy, or remove what is left and begin as a new user',
    { publicKey },
  );
}

const DATABASE = 'syncline';
const ENTRIES = 'identities';

async function transact<T>(
  factory: () => IDBFactory | undefined, // asking for it throws where site data are blocked
  mode: IDBTransactionMode,
  act: (entries: IDBObjectStore) => IDBRequest<T>,
): Promise<T> {
  let database: IDBDatabase | undefined;
  try {
    database = await connect(factory());
    const transaction = database.transaction(ENTRIES, mode, { durability: 'strict' });
    const request = act(transaction.objectStore(ENTRIES));
    await new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error ?? request.error);
    });
    return request.result;
  } catch (cause) {
    throw storageError(cause);
  } finally {
    database?.close();
  }
}

function connect(factory: IDBFactory | undefined): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    if (!factory) return reject(new Error('there is no IndexedDB here'));
    const request = factory.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(ENTRIES);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error('another tab holds the database open'));
  });
}

function storageError(cause: unknown): SynclineError {
  const name = (cause as { name?: string } | null)?.name;
  if (name === 'QuotaExceededError') {
    return new SynclineError(
      'STORAGE_FULL',
      'this browser has no room left for the identity: free some disk space or site data and try again, or keep a copy of the key elsewhere',
      {},
      { cause },
    );
  }
  return new SynclineError(
    'STORAGE_BLOCKED',
    'this browser does not let the page keep an identity: allow site data for this page, leave private browsing, or go on with memoryKeyStore and keep a copy of the key',
    {},
    { cause },
  );
}

function isTaken(error: unknown): boolean {
  return error instanceof SynclineError && (error.cause as { name?: string } | undefined)?.name === 'ConstraintError';
}
