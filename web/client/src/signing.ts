import { toBase64, toHex } from './bytes.js';
import type { Identity } from './identity.js';
import { sha256 } from './sha256.js';

/** What of a request is signed. */
export interface Message {
  /** As sent; `GET` for a WebSocket, whose upgrade request is signed. */
  method: string;
  /** Host and port, see {@link authorityOf}. */
  authority: string;
  /** As sent, escapes kept. */
  path: string;
  /** As sent with its leading `?`; empty if the target has none. */
  query: string;
  /** The Content-Digest header; absent for a GET. */
  contentDigest?: string;
  tag: 'syncline' | 'syncline-ws';
}

/** What makes each signature another one. */
export interface Moment {
  /** Unix seconds by the server's clock. */
  created: number;
  /** 32 hexadecimal characters, never used before by this key. */
  nonce: string;
}

/** A signed message: its headers, and the text that was signed. */
export interface Signed {
  baseText: string;
  signatureInput: string;
  signature: string;
}

/** Signs by Syncline's profile of RFC 9421. */
export function sign(identity: Identity, message: Message, moment: Moment): Signed {
  const covered = components(message);
  const names = covered.map(([name]) => `"${name}"`).join(' ');
  const { created, nonce } = moment;
  const params = `(${names});created=${created};nonce="${nonce}";keyid="${identity.publicKey}";tag="${message.tag}"`;
  const lines = covered.map(([name, value]) => `"${name}": ${value}`);
  const baseText = [...lines, `"@signature-params": ${params}`].join('\n');
  const signature = identity.sign(new TextEncoder().encode(baseText));
  return {
    baseText,
    signatureInput: `sig=${params}`,
    signature: `sig=:${toBase64(signature)}:`,
  };
}

function components(message: Message): [name: string, value: string][] {
  const covered: [string, string][] = [
    ['@method', message.method],
    ['@authority', message.authority],
    ['@path', message.path],
  ];
  if (message.query !== '') covered.push(['@query', message.query]);
  if (message.contentDigest !== undefined) covered.push(['content-digest', message.contentDigest]);
  return covered;
}

/** The Content-Digest header of a body. */
export function contentDigest(body: Uint8Array): string {
  return `sha-256=:${toBase64(sha256(body))}:`;
}

/** A URL's host and port as they are signed: in lower case, without `:80` and `:443`. */
export function authorityOf(url: URL): string {
  return url.host.toLowerCase().replace(/:(?:80|443)$/, '');
}

/** 16 random bytes in hexadecimal. */
export function newNonce(): string {
  return toHex(crypto.getRandomValues(new Uint8Array(16)));
}
