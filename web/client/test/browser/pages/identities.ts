import { browserIdentities, browserKeyStore, Identity, openIdentity, Session } from '@syncline/client';

const kept = browserIdentities();
let session: Session;
let stop: () => void;

const page = {
  /** A visit: answers the present user. */
  async visit(opening = kept.open()) {
    session = new Session({ url: 'http://localhost:1/graphql', identity: await opening });
    stop = kept.share(session);
    return session.identity.publicKey;
  },

  /** A visit that takes its time: answers when the identity is read, and shares the session only at `share`. */
  async beginVisit() {
    session = new Session({ url: 'http://localhost:1/graphql', identity: await kept.open() });
    return session.identity.publicKey;
  },

  share() {
    stop = kept.share(session);
  },

  /** Keeps an identity under a name of the app's own, too. */
  async keepAs(publicKey: string, name: string) {
    await browserKeyStore({ name }).save((await kept.list()).find((identity) => identity.publicKey === publicKey)!);
  },

  /** Damages what is kept under a name. */
  async damage(name: string) {
    await browserKeyStore({ name }).save(Identity.create());
    await new Promise<void>((resolve, reject) => {
      const opening = indexedDB.open('syncline');
      opening.onsuccess = () => {
        const transaction = opening.result.transaction('identities', 'readwrite');
        transaction.objectStore('identities').put({ plain: new Uint8Array(3) }, name);
        transaction.oncomplete = () => resolve(opening.result.close());
        transaction.onabort = () => reject(transaction.error!);
      };
    });
  },

  /** One of a page that knew of one identity only, and shares its session now. */
  visitOld: () => page.visit(openIdentity(browserKeyStore())),

  present: () => session.identity.publicKey,

  /** Becomes a new user. */
  async create() {
    const identity = Identity.create();
    await session.switchTo(identity);
    return identity.publicKey;
  },

  /** Becomes a user of the list. */
  async choose(publicKey: string) {
    await session.switchTo((await kept.list()).find((identity) => identity.publicKey === publicKey)!);
  },

  /** Becomes one user and then, not waiting, another one, who was it before. */
  async thereAndBack() {
    const before = session.identity;
    await Promise.all([session.switchTo(Identity.create()), session.switchTo(before)]);
    return before.publicKey;
  },

  /** Who may sign here. */
  list: async () => (await kept.list()).map(({ publicKey }) => publicKey),

  remove: (publicKey: string) => kept.remove(publicKey),

  stop: () => stop(),
};

declare global {
  var identities: typeof page;
}
globalThis.identities = page;
