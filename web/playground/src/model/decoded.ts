import { fromBase64, toHex } from '@syncline/client';

import { indent, isJSON } from './json-text.ts';

/** What bytes turned out to be. */
export interface Decoded {
  format: 'JSON' | 'text' | 'binary' | 'empty';
  /** Indented JSON, the text, or the bytes in hexadecimal; of a preview the beginning. */
  text: string;
  bytes: number;
  /** There is more than `text` has. */
  cut: boolean;
}

/** Bytes of a preview: a screen's worth, and quickly shown. */
export const PREVIEW_BYTES = 1024;

/** Looks into the scalar `Bytes`, which the server never does. Throws a `RangeError` for what is not base64. */
export function decode(data: string): Decoded {
  return decodeBytes(fromBase64(data), false);
}

/** The beginning of what `decode` tells. */
export function preview(data: string): Decoded {
  const whole = bytesOf(data);
  if (whole <= PREVIEW_BYTES) return decode(data);
  const characters = Math.ceil(PREVIEW_BYTES / 3) * 4;
  return { ...decodeBytes(fromBase64(data.slice(0, characters)), true), bytes: whole };
}

/** How many bytes base64 stands for. */
function bytesOf(data: string): number {
  return (data.length / 4) * 3 - (data.endsWith('==') ? 2 : data.endsWith('=') ? 1 : 0);
}

function decodeBytes(bytes: Uint8Array, cut: boolean): Decoded {
  if (bytes.length === 0) return { format: 'empty', text: '', bytes: 0, cut };
  try {
    // A preview may end within a character: with `stream` that is no error.
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes, { stream: cut });
    const json = !cut && isJSON(text);
    return { format: json ? 'JSON' : 'text', text: json ? indent(text) : text, bytes: bytes.length, cut };
  } catch {
    return { format: 'binary', text: toHex(bytes).replace(/(..)(?=.)/g, '$1 '), bytes: bytes.length, cut };
  }
}

/** The text that data is, as it was written; null if it is none. */
export function decodeWritten(data: string): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(fromBase64(data));
  } catch {
    return null;
  }
}
