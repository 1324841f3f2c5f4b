import { _SHA256 } from '@noble/hashes/sha2.js';

/** SHA-256. The library's function brings along what makes hashes of any kind, which is a third of a kilobyte. */
export function sha256(message: Uint8Array): ReturnType<_SHA256['digest']> {
  return new _SHA256().update(message).digest();
}
