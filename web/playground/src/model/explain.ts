import { authorityOf, sign } from '@syncline/client';
import type { Identity } from '@syncline/client';

/** How a signature came about. */
export interface Explained {
  /** The text that was signed. */
  baseText: string;
  /** The Content-Digest of the body; empty if it has none. */
  digest: string;
}

interface Signed {
  kind: string;
  url: URL;
  headers: readonly (readonly [string, string])[];
}

/** Repeats the signature of a request that was sent, to tell what text it covers. */
export function explain(identity: Identity, { kind, url, headers }: Signed): Explained {
  const named = new Map(headers);
  const digest = named.get('content-digest') ?? '';
  const [, created, nonce] = /;created=(\d+);nonce="(\w+)"/.exec(named.get('signature-input') ?? '') ?? [];
  if (!created || !nonce) return { baseText: '', digest };
  const isSocket = kind === 'connection_init';
  const { baseText } = sign(
    identity,
    {
      method: isSocket ? 'GET' : kind,
      authority: authorityOf(url),
      path: url.pathname,
      query: url.search,
      tag: isSocket ? 'syncline-ws' : 'syncline',
      ...(digest && { contentDigest: digest }),
    },
    { created: Number(created), nonce },
  );
  return { baseText, digest };
}
