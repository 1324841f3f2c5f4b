import * as secp256k1 from '@noble/secp256k1';

import { fromHex, toHex } from './bytes.js';
import type { Bytes } from './bytes.js';
import { SynclineError } from './errors.js';
import { sha256 } from './sha256.js';

/** 27 + 4: the first header byte of a compact signature by a compressed key. */
const HEADER = 31;

/**
 * A key pair, which is a user. Whoever has the private key is that user, on
 * any device; without it nobody is, so let people export it.
 */
export class Identity {
  /** The public key: compressed secp256k1 in 66 lower-case hexadecimal characters. It is the owner of the data. */
  readonly publicKey: string;
  readonly #privateKey: Uint8Array;

  private constructor(privateKey: Uint8Array) {
    this.#privateKey = privateKey;
    this.publicKey = toHex(secp256k1.getPublicKey(privateKey, true));
  }

  /** A new user, from the platform's secure random numbers. */
  static create(): Identity {
    return new Identity(secp256k1.utils.randomSecretKey());
  }

  /** The user with this private key of 32 bytes. Throws `KEY_INVALID`. */
  static fromBytes(privateKey: Uint8Array): Identity {
    if (!(privateKey instanceof Uint8Array) || !secp256k1.utils.isValidSecretKey(privateKey)) {
      throw new SynclineError(
        'KEY_INVALID',
        'a private key is 32 bytes, or 64 hexadecimal characters. Paste the key exactly as it was exported.',
      );
    }
    return new Identity(privateKey.slice());
  }

  /** The user whose key {@link exportHex} gave: 64 hexadecimal characters. Throws `KEY_INVALID`. */
  static fromHex(text: string): Identity {
    const digits = text.trim();
    return Identity.fromBytes(/^[0-9a-f]{64}$/i.test(digits) ? fromHex(digits) : new Uint8Array());
  }

  /** The private key in 64 hexadecimal characters. Show it to its user only. */
  exportHex(): string {
    return toHex(this.#privateKey);
  }

  /** The private key in 32 bytes. */
  exportBytes(): Bytes {
    return Uint8Array.from(this.#privateKey);
  }

  /**
   * Signs SHA-256 of a message by RFC 6979: 65 bytes, compact and recoverable,
   * s in the lower half.
   */
  sign(message: Uint8Array): Uint8Array {
    // WebCrypto has no secp256k1, and is absent on plain-http pages.
    secp256k1.hashes.sha256 = sha256;
    secp256k1.hashes.hmacSha256 = hmac;
    const signature = secp256k1.sign(message, this.#privateKey, { format: 'recovered', prehash: true });
    signature[0]! += HEADER;
    return signature;
  }
}

/** HMAC of SHA-256 (RFC 2104) under a key of 32 bytes, the only kind that RFC 6979 makes. */
function hmac(key: Uint8Array, text: Uint8Array) {
  const round = (mask: number, message: Uint8Array) => {
    const padded = new Uint8Array(64 + message.length).fill(mask, 0, 64);
    key.forEach((byte, i) => (padded[i]! ^= byte));
    padded.set(message, 64);
    return sha256(padded);
  };
  return round(0x5c, round(0x36, text));
}
