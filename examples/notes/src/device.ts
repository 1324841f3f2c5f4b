import { browserKeyStore, Identity, openIdentity, Session, SynclineError } from '@syncline/client';
import { createSocket } from '@syncline/client/graphql-ws';
import { openStore } from '@syncline/client/store';
import type { Store, StoredRecord } from '@syncline/client/store';

import { merge } from './notes.ts';
import type { Note } from './notes.ts';

/** Where the key is: the user of this device. */
const keys = browserKeyStore();

/** Of this device's user, made on the first visit. */
export const identity = openIdentity(keys);

/** All notes, on this device, in step with the server when there is a network. */
export const opening = identity.then(async (user) => {
  const store = await openNotes(user);
  void takeRest(store).catch(() => {}); // tried again with the next visit
  return store;
});

function openNotes(user: Identity): Promise<Store<Note>> {
  const session = new Session({ url: '/graphql', identity: user });
  return openStore<Note>(session, { live: createSocket(session), encryption: true, schemaVersion: '1', merge });
}

const LINK = '#link=';

/**
 * A link that makes another device one of this user's. It has the private key, behind the `#`: browsers send that part
 * to no server.
 */
export async function linkToHere(): Promise<string> {
  return `${location.origin}${location.pathname}${LINK}${(await identity).exportHex()}`;
}

/** What a link said with which this page was opened: a user, undefined if it was no such link, or why it cannot be read. */
export const offered: Identity | SynclineError | undefined = takeLink();

function takeLink(): Identity | SynclineError | undefined {
  const { hash, pathname } = location;
  if (!hash.startsWith(LINK)) return undefined;
  history.replaceState(null, '', pathname); // so that no bookmark has the key, nor a look over the shoulder
  try {
    return Identity.fromHex(hash.slice(LINK.length));
  } catch (error) {
    return error as SynclineError;
  }
}

addEventListener('hashchange', () => location.hash.startsWith(LINK) && location.reload());

/** Other tabs of the app, which go on as the new user, too. */
const tabs = new BroadcastChannel('linked');
tabs.onmessage = () => location.reload();

/** Where it is noted whose notes were taken along when this device was linked, and since when there may be more of them. */
const LINKED = 'linked';

interface Linked {
  from: string;
  /** Milliseconds since 1970, by this device's clock. */
  since: number;
}

/** Where the key of a former user is kept: there may be notes that were not taken along. */
const keysOf = (publicKey: string) => browserKeyStore({ name: publicKey });

/** Makes this device one of a user's, takes the notes along that are here, and begins again. Rejects if it cannot take all of them. */
export async function linkHere(user: Identity): Promise<void> {
  const since = Date.now();
  const store = await openedHere();
  if (store) await takeAll(store, user);
  const former = store && (await identity);
  if (former) {
    await keysOf(former.publicKey).save(former);
    localStorage.setItem(LINKED, JSON.stringify({ from: former.publicKey, since } satisfies Linked));
  }
  await keys.save(user); // only now that all notes are in the other store, on disk
  tabs.postMessage('linked');
  location.reload();
}

/** Puts all notes of one store into that of another user. */
async function takeAll(store: Store<Note>, user: Identity): Promise<void> {
  if (!store.status.complete) throw new Error('This device does not have all of its own notes yet. Wait until it has been online once, and try again.');
  const records = await store.list();
  if (records.some(({ value }) => value === undefined)) throw new Error('Some notes of this device cannot be read here, and would be lost. Reload the page to have the newest app, and try again.');
  const theirs = await openNotes(user);
  try {
    await take(records, theirs);
  } finally {
    theirs.close();
  }
}

/** The other user may have a note under the same id: from an earlier link, say. */
async function take(records: StoredRecord<Note>[], into: Store<Note>): Promise<void> {
  for (const { id, value } of records) await into.update(id, (now) => (now ? merge({ id, base: undefined, mine: value!, theirs: now }) : value));
}

/** Takes along what was written while this device was being linked, such as in another tab. By now all of them go on as the new user. */
async function takeRest(store: Store<Note>): Promise<void> {
  const linked = JSON.parse(localStorage.getItem(LINKED) ?? 'null') as Linked | null;
  const former = linked && (await keysOf(linked.from).load());
  if (!former) return;
  const before = await openNotes(former);
  try {
    await take((await before.list()).filter(({ value }) => value && value.edited >= linked.since), store);
  } finally {
    before.close();
  }
  localStorage.removeItem(LINKED);
}

async function openedHere(): Promise<Store<Note> | undefined> {
  try {
    return await opening;
  } catch (error) {
    // Where this device has lost its key, a link is the way back in.
    if (error instanceof SynclineError && ['STORAGE_EVICTED', 'STORAGE_CORRUPT'].includes(error.code)) return undefined;
    throw error;
  }
}
