import { hkdf } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';

import type { Bytes } from '../bytes.js';

/** Keeps keys of this format apart from any other use of a private key. */
const SALT = 'syncline encryption v1';

/** HKDF with SHA-256 (RFC 5869). */
export function derive(secret: Uint8Array, use: Uint8Array): Uint8Array {
  return hkdf(sha256, secret, utf8(SALT), use, 32);
}

export function utf8(text: string): Bytes {
  return new TextEncoder().encode(text);
}

export function concat(...parts: Uint8Array[]): Bytes {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
