import type { Identity } from './identity.js';
import { browserKeyStore, openIdentity, storedNames } from './keystore.js';
import type { BrowserKeyStoreOptions } from './keystore.js';
import type { Session } from './session.js';

/** The users of one browser. Failures reject as those of `browserKeyStore` do. */
export interface BrowserIdentities {
  /** The identity that was chosen last, in any tab; on the first visit a new one, which is kept from then on. */
  open(): Promise<Identity>;
  /** All that are kept and can be read, in the order of their public keys. */
  list(): Promise<Identity[]>;
  /** Forgets one, under whatever names `browserKeyStore` keeps it. If it was chosen, the next visit is a new user's; sessions go on with it until they are switched. */
  remove(publicKey: string): Promise<void>;
  /**
   * From now on `session.switchTo` keeps the identity here, too, and chooses it: for the next visit, and for the shared
   * sessions of other tabs, which switch to it. What the session has now is not kept by that. Answers how to stop it.
   */
  share(session: Session): () => void;
}

const CHANNEL = 'syncline identities';

/**
 * Keeps any number of identities in this browser, of which one is chosen: the one that `browserKeyStore()` keeps. Each
 * is protected as there.
 */
export function browserIdentities(options: Omit<BrowserKeyStoreOptions, 'name'> = {}): BrowserIdentities {
  const chosen = browserKeyStore(options);
  let opened: string | undefined; // by this page
  const named = (publicKey: string) => browserKeyStore({ ...options, name: publicKey });
  /** Each name that can be read, and whose identity it has. */
  const readable = async () => {
    const names = await storedNames(options);
    const read = await Promise.allSettled(names.map((name) => browserKeyStore({ ...options, name }).load()));
    return names.flatMap((name, i) => {
      const each = read[i]!;
      return each.status === 'fulfilled' && each.value ? [{ name, identity: each.value }] : [];
    });
  };
  const keep = async (identity: Identity) => void (await named(identity.publicKey).saveIfAbsent(identity));

  /** Before it is in the place of the chosen one, it has one of its own; so has the one before. */
  const choose = async (identity: Identity) => {
    await keep(identity);
    const before = await chosen.load().catch(() => null); // evicted, or not readable: here is another one
    if (before) await keep(before);
    if (before?.publicKey !== identity.publicKey) await chosen.save(identity);
  };

  return {
    async open() {
      const identity = await openIdentity(chosen);
      await keep(identity);
      opened = identity.publicKey;
      return identity;
    },
    async list() {
      const byKey = new Map((await readable()).map(({ identity }) => [identity.publicKey, identity]));
      return [...byKey.keys()].sort().map((publicKey) => byKey.get(publicKey)!);
    },
    async remove(publicKey) {
      for (const { name, identity } of await readable()) if (identity.publicKey === publicKey) await browserKeyStore({ ...options, name }).remove();
      await named(publicKey).remove(); // also one that cannot be read
    },
    share: (session) => share(session, chosen.load, choose, session.identity.publicKey === opened),
  };
}

/**
 * What a session chooses is kept and told, and what other tabs choose is followed, one after the other; from the
 * beginning on if it has what was chosen a moment ago.
 */
function share(session: Session, load: () => Promise<Identity | null>, choose: (identity: Identity) => Promise<void>, isChosen: boolean): () => void {
  const over = new AbortController();
  const channel = typeof BroadcastChannel === 'undefined' ? undefined : new BroadcastChannel(CHANNEL);
  let turn: Promise<unknown> = Promise.resolve();
  let choosing = 0;
  let followed: Identity | undefined;
  const next = (work: () => Promise<void>) => {
    const done = turn.then(() => (over.signal.aborted ? undefined : work()));
    turn = done.catch(() => {});
    return done;
  };
  const follow = async () => {
    const identity = await load();
    if (!identity || choosing > 0 || over.signal.aborted || identity.publicKey === session.identity.publicKey) return;
    followed = identity;
    const switched = session.switchTo(identity); // listeners hear of it before this returns
    followed = undefined;
    await switched;
  };
  const stop = session.onSwitch(() => {
    const { identity } = session;
    if (identity === followed) return undefined; // nobody need be told
    choosing++;
    return next(async () => {
      try {
        await choose(identity);
      } finally {
        choosing--;
      }
      channel?.postMessage(identity.publicKey);
      await follow(); // another tab may have chosen meanwhile
    });
  });
  const hear = () => void next(follow).catch(() => {}); // tried again with the next choice
  if (channel) {
    channel.onmessage = hear;
    (channel as { unref?: () => void }).unref?.(); // of Node.js, which would wait for it
  }
  if (isChosen) hear(); // another tab may have chosen since
  // A page that was put aside has heard nothing.
  (globalThis as Partial<EventTarget>).addEventListener?.('pageshow', (event) => (event as PageTransitionEvent).persisted && hear(), { signal: over.signal });
  return () => {
    over.abort();
    stop();
    channel?.close();
  };
}
