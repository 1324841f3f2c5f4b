const HEX = /^(?:[0-9a-f]{2})*$/i;
/** The bits that padding leaves over are zero, as the server has it. */
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$/;

/** Bytes in memory of their own, by a name that TypeScript before 5.7 knows, too. */
export type Bytes = ReturnType<Uint8Array['slice']>;

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
}

/** Throws a `RangeError` unless text is an even number of hexadecimal digits. */
export function fromHex(text: string): Bytes {
  if (!HEX.test(text)) throw new RangeError('not hexadecimal');
  return Uint8Array.from({ length: text.length / 2 }, (_, i) => parseInt(text.slice(2 * i, 2 * i + 2), 16));
}

/** Bytes as the scalar `Bytes`: standard base64 with padding. */
export function toBase64(bytes: Uint8Array): string {
  let binary = '';
  for (const b of bytes) binary += String.fromCharCode(b);
  return btoa(binary);
}

/** The bytes of a scalar `Bytes`. Throws a `RangeError` for anything else. */
export function fromBase64(text: string): Bytes {
  if (!BASE64.test(text)) throw new RangeError('not standard base64 with padding');
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** Text as UTF-8. Throws a `RangeError` for half a surrogate pair, which UTF-8 does not have. */
export function toUTF8(text: string): Bytes {
  if (/\p{Surrogate}/u.test(text)) throw new RangeError('half of a character: a surrogate without its other half');
  return new TextEncoder().encode(text);
}

/** The text in bytes. Throws a `TypeError` if they are not UTF-8. */
export function fromUTF8(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
}

/** Text as UTF-8 in the scalar `Bytes`. Throws a `RangeError` for half a surrogate pair. */
export function encodeText(text: string): string {
  return toBase64(toUTF8(text));
}

/** The text in a scalar `Bytes`, as it was encoded. Throws a `TypeError` if it is not UTF-8. */
export function decodeText(data: string): string {
  return fromUTF8(fromBase64(data));
}
