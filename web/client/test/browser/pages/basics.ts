import { browserKeyStore, follow, Identity, memoryKeyStore, openIdentity, Session, signedFetch } from '@syncline/client';
import { createEventSource } from '@syncline/client/graphql-sse';
import { createSocket } from '@syncline/client/graphql-ws';

/** How something went: what it gave, or the error's code and message. */
export type Outcome = { value: string } | { code: string; message: string };

async function outcome(act: () => Promise<string>): Promise<Outcome> {
  try {
    return { value: await act() };
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return { code, message };
  }
}

const basics = {
  /** The identity that this browser keeps, made if there is none: its public key. */
  keep: () => outcome(async () => (await openIdentity(browserKeyStore())).publicKey),

  /** The private key that this browser keeps. */
  exportKept: async () => (await browserKeyStore().load())!.exportHex(),

  /** Removes the identity that this browser keeps, or what is left of it. */
  forget: () => browserKeyStore().remove(),

  /** Who an identity in memory is to the server: its answer, by signed fetch. */
  ask: (url: string) =>
    outcome(async () => {
      const identity = await openIdentity(memoryKeyStore());
      const send = signedFetch(new Session({ url, identity }), { attempts: 2 });
      const headers = { 'content-type': 'application/json' };
      const response = await send(url, { method: 'POST', headers, body: JSON.stringify({ query: '{ viewer { id } }' }) });
      const { data } = (await response.json()) as { data: { viewer: { id: string } } };
      return data.viewer.id === identity.publicKey ? 'itself' : data.viewer.id;
    }),

  /** What a live feed brings first, or why a connection fails. One that is only slow is made again. */
  listen: (url: string, transport: 'WebSocket' | 'EventSource') =>
    outcome(async () => {
      const session = new Session({ url, identity: Identity.create() });
      let fail!: (error: unknown) => void;
      const failed = new Promise<never>((_, reject) => (fail = reject));
      const options = { onRetry: (error: { message: string }) => /fell silent|no answer came/.test(error.message) || fail(error) };
      const client = transport === 'WebSocket' ? createSocket(session, options) : createEventSource(session, options);
      const first = async () => {
        for await (const { kind } of follow(client)) return kind;
        return 'nothing';
      };
      return Promise.race([failed, first()]);
    }),
};

declare global {
  var syncline: typeof basics;
}
globalThis.syncline = basics;
