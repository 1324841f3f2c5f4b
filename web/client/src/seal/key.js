import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { fromHex } from '../bytes.js';
import { KEY_ID_BYTES, openBox, PLACE_BYTES, sealBox } from './box.js';
import { concat, derive, utf8 } from './derive.js';
/**
 * Opens and seals the records of one owner, in the format of docs/encryption.md.
 * Whoever has it can read them; it does not sign, so that it may be given to
 * others, by {@link shareKey}.
 */
export class SealingKey {
    owner;
    #secret;
    #data;
    #place;
    #hide;
    #id;
    constructor(
    /** Whose records it opens: a public key, 66 hexadecimal characters. */
    owner, secret) {
        this.owner = owner;
        this.#secret = secret;
        this.#data = derive(secret, utf8('data'));
        this.#place = derive(secret, utf8('place'));
        this.#hide = derive(secret, utf8('id'));
        this.#id = derive(secret, utf8('key id')).subarray(0, KEY_ID_BYTES);
    }
    /** The key of an identity's own records: the same on every device that has the identity. */
    static of(identity) {
        return new SealingKey(identity.publicKey, derive(identity.exportBytes(), utf8('records')));
    }
    /** @internal For {@link openKey}. */
    static fromSecret(owner, secret) {
        return new SealingKey(owner, secret);
    }
    /** @internal For {@link shareKey}: the 32 bytes that all else is derived from. */
    exportSecret() {
        return this.#secret.slice();
    }
    /** What a record is called at the server where its id is hidden: 43 characters that tell nothing of the id but whether it is the same. */
    hiddenId(id) {
        const bytes = hmac(sha256, this.#hide, utf8(id));
        return btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replace('=', '');
    }
    /** Encrypts a record. Throws `TOO_LARGE`. */
    seal(record) {
        return sealBox(this.#parts(), record, crypto.getRandomValues(new Uint8Array(24)));
    }
    /** @internal For test vectors: a nonce must never come twice. */
    sealWith(record, nonce) {
        return sealBox(this.#parts(), record, nonce);
    }
    /**
     * Decrypts a record. Throws `NOT_ENCRYPTED`, `ENCRYPTION_VERSION`, `WRONG_KEY`,
     * `TRUNCATED`, `DAMAGED`, `SWAPPED` or `ROLLED_BACK`, and never gives data then.
     */
    open(stored) {
        return openBox(this.#parts(), stored);
    }
    #parts() {
        return { data: this.#data, id: this.#id, hiddenId: (id) => this.hiddenId(id), placeOf: (id, schemaVersion) => this.#placeOf(id, schemaVersion) };
    }
    /** What a box is bound to: owner, record and schema version. */
    #placeOf(id, schemaVersion) {
        const parts = [fromHex(this.owner)];
        for (const part of [utf8(id), utf8(schemaVersion)])
            parts.push(Uint8Array.of(part.length >> 8, part.length), part);
        return hmac(sha256, this.#place, concat(...parts)).subarray(0, PLACE_BYTES);
    }
}
//# sourceMappingURL=key.js.map