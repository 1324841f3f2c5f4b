import { decodeText, fromBase64, toHex } from '@syncline/client';

/** What bytes turned out to be. */
export interface Decoded {
  format: 'JSON' | 'text' | 'binary' | 'empty';
  /** Indented JSON, the text, or the bytes in hexadecimal. */
  text: string;
  bytes: number;
}

/** Looks into the scalar `Bytes`, which the server never does. Throws a `RangeError` for what is not base64. */
export function decode(data: string): Decoded {
  const bytes = fromBase64(data);
  if (bytes.length === 0) return { format: 'empty', text: '', bytes: 0 };
  try {
    const text = decodeText(data);
    return { ...asJSON(text), bytes: bytes.length };
  } catch {
    return { format: 'binary', text: toHex(bytes).replace(/(..)(?=.)/g, '$1 '), bytes: bytes.length };
  }
}

function asJSON(text: string): Pick<Decoded, 'format' | 'text'> {
  try {
    return { format: 'JSON', text: JSON.stringify(JSON.parse(text), null, 2) };
  } catch {
    return { format: 'text', text };
  }
}
