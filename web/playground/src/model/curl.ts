import { authorityOf, contentDigest, newNonce, sign } from '@syncline/client';
import type { Session } from '@syncline/client';

import type { Operation } from './operation.ts';

/** A command for a POSIX shell that sends an operation, signed just now. The server takes it once, within 300 seconds. */
export function curlCommand(session: Session, operation: Operation): string {
  const { url, identity } = session;
  const { body } = operation;
  const digest = contentDigest(new TextEncoder().encode(body));
  const moment = { created: Math.floor(session.now() / 1000), nonce: newNonce() };
  const message = { method: 'POST', authority: authorityOf(url), path: url.pathname, query: url.search } as const;
  const { signatureInput, signature } = sign(identity, { ...message, contentDigest: digest, tag: 'syncline' }, moment);
  const headers = [
    ['Content-Type', 'application/json'],
    ...(operation.isSubscription ? [['Accept', 'text/event-stream']] : []),
    ['Content-Digest', digest],
    ['Signature-Input', signatureInput],
    ['Signature', signature],
    ...(session.authorization ? [['Authorization', session.authorization]] : []),
  ];
  return [
    `curl -sS${operation.isSubscription ? 'N' : ''} ${quote(url.href)}`,
    ...headers.map(([name, value]) => `  -H ${quote(`${name}: ${value}`)}`),
    `  --data-raw ${quote(body)}`,
  ].join(' \\\n');
}

/** Text as one word of a POSIX shell. */
function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
