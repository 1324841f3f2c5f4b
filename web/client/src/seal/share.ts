import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import * as secp256k1 from '@noble/secp256k1';

import { fromHex } from '../bytes.js';
import type { Bytes } from '../bytes.js';
import { SynclineError } from '../errors.js';
import type { Identity } from '../identity.js';
import { concat, derive, utf8 } from './derive.js';
import { SealingKey } from './key.js';

const MARK = [0xff, 0x53, 0x4b];
const VERSION = 1;
const HEADER = 4 + 33;
const SEALED = HEADER + 32 + 16;

/**
 * Encrypts the key of an identity's records to somebody else's public key (66
 * hexadecimal characters): 85 bytes that may go any way. Only the recipient opens
 * them, and knows then that the owner made them. It cannot be taken back.
 */
export function shareKey(owner: Identity, recipient: string): Bytes {
  return shareKeyWith(owner, recipient, secp256k1.utils.randomSecretKey());
}

/** @internal For test vectors: the ephemeral private key must never come twice. */
export function shareKeyWith(owner: Identity, recipient: string, ephemeral: Uint8Array): Bytes {
  const to = fromHex(recipient);
  const from = secp256k1.getPublicKey(ephemeral, true);
  const header = concat(Uint8Array.of(...MARK, VERSION), from);
  const key = wrappingKey(sharedSecret(ephemeral, to), sharedSecret(owner.exportBytes(), to), from, fromHex(owner.publicKey), to);
  return concat(header, xchacha20poly1305(key, new Uint8Array(24), header).encrypt(SealingKey.of(owner).exportSecret())); // the key serves once
}

/**
 * Opens what {@link shareKey} made for this identity. `owner` is whose key it is to
 * be. Throws `NOT_ENCRYPTED`, `TRUNCATED`, `ENCRYPTION_VERSION`, and `WRONG_KEY` if
 * it is for somebody else, of somebody else, or was changed.
 */
export function openKey(sealed: Uint8Array, recipient: Identity, owner: string): SealingKey {
  if (!MARK.every((byte, i) => sealed[i] === byte)) throw new SynclineError('NOT_ENCRYPTED', 'this is no encrypted key');
  if (sealed.length > MARK.length && sealed[MARK.length] !== VERSION) {
    throw new SynclineError('ENCRYPTION_VERSION', 'the key is encrypted in a format that this release does not know');
  }
  if (sealed.length < SEALED) throw new SynclineError('TRUNCATED', 'the encrypted key lacks its end');
  try {
    if (sealed.length > SEALED) throw new RangeError('too long');
    const header = sealed.slice(0, HEADER);
    const from = header.slice(4);
    const own = recipient.exportBytes();
    const key = wrappingKey(sharedSecret(own, from), sharedSecret(own, fromHex(owner)), from, fromHex(owner), fromHex(recipient.publicKey));
    return SealingKey.fromSecret(owner, xchacha20poly1305(key, new Uint8Array(24), header).decrypt(sealed.slice(HEADER)));
  } catch (cause) {
    throw new SynclineError('WRONG_KEY', 'the key is for somebody else, or of somebody else, or was changed', {}, { cause });
  }
}

/** Known to who has the recipient's private key, or both others. */
function wrappingKey(once: Uint8Array, always: Uint8Array, ephemeral: Uint8Array, owner: Uint8Array, recipient: Uint8Array): Uint8Array {
  return derive(concat(once, always), concat(utf8('key for'), ephemeral, owner, recipient));
}

/** The x coordinate of the point that both sides compute (ECDH, SEC 1 section 3.3.1). */
function sharedSecret(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array {
  return secp256k1.getSharedSecret(privateKey, publicKey).slice(1, 33);
}
