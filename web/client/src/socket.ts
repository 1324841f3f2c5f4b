import { authorityOf, newNonce, sign } from './signing.js';
import type { Moment } from './signing.js';
import type { Session } from './session.js';

/** The payload of `connection_init`. */
export interface ConnectionParams extends Record<string, unknown> {
  'signature-input': string;
  signature: string;
  authorization?: string;
  /** By operation id: the cursor from which its feed goes on. */
  resume?: Record<string, string>;
}

export interface ConnectionOptions {
  /** Read at each connect. */
  resume?: () => Record<string, string>;
  /** For tests: the moment to sign at. */
  moment?: () => Moment;
}

/**
 * What to give a WebSocket client of graphql-transport-ws as `connectionParams`:
 * a function that signs anew at each connect.
 */
export function connectionParams(session: Session, options: ConnectionOptions = {}): () => ConnectionParams {
  return () => {
    const url = session.webSocketUrl;
    const moment = options.moment?.() ?? momentOf(session);
    const { signatureInput, signature } = sign(
      session.identity,
      { method: 'GET', authority: authorityOf(url), path: url.pathname, query: url.search, tag: 'syncline-ws' },
      moment,
    );
    const resume = options.resume?.() ?? {};
    return {
      'signature-input': signatureInput,
      signature,
      ...(session.authorization && { authorization: session.authorization }),
      ...(Object.keys(resume).length > 0 && { resume }),
    };
  };
}

/** Now, by the server's clock, with a new nonce. */
export function momentOf(session: Session): Moment {
  return { created: Math.floor(session.now() / 1000), nonce: newNonce() };
}
