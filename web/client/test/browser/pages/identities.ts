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
