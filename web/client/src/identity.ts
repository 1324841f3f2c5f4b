import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import * as secp256k1 from '@noble/secp256k1';

import { fromHex, toHex } from './bytes.js';
import { SynclineError } from './errors.js';

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
        'this is not a private key of Syncline: it must be 32 bytes, neither zero nor above the order of secp256k1. Paste the key exactly as it was exported.',
      );
    }
    return new Identity(privateKey.slice());
  }

  /** The user whose key {@link exportHex} gave: 64 hexadecimal characters. Throws `KEY_INVALID`. */
  static fromHex(text: string): Identity {
    let privateKey: Uint8Array;
    try {
      privateKey = fromHex(text.trim());
    } catch (cause) {
      throw new SynclineError(
        'KEY_INVALID',
        'this is not a private key of Syncline: it must be 64 hexadecimal characters. Paste the key exactly as it was exported.',
        {},
        { cause },
      );
    }
    return Identity.fromBytes(privateKey);
  }

  /** The private key in 64 hexadecimal characters. Show it to its user only. */
  exportHex(): string {
    return toHex(this.#privateKey);
  }

  /** The private key in 32 bytes. */
  exportBytes(): Uint8Array<ArrayBuffer> {
    return Uint8Array.from(this.#privateKey);
  }

  /**
   * Signs SHA-256 of a message by RFC 6979: 65 bytes, compact and recoverable,
   * s in the lower half.
   */
  sign(message: Uint8Array): Uint8Array {
    // WebCrypto has no secp256k1, and is absent on plain-http pages.
    secp256k1.hashes.sha256 = sha256;
    secp256k1.hashes.hmacSha256 = (key, text) => hmac(sha256, key, text);
    const signature = secp256k1.sign(message, this.#privateKey, { format: 'recovered', prehash: true });
    signature[0]! += HEADER;
    return signature;
  }
}
