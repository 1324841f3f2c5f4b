import assert from 'node:assert/strict';
import { test } from 'node:test';

import { decodeText, encodeText, fromBase64, toBase64 } from '@syncline/client';

test('text comes back as it was', () => {
  for (const text of ['', 'milk', '\uFEFFwith a byte-order mark', 'party 🎉', '\u0000\r\n', 'é'.normalize('NFD')]) {
    assert.equal(decodeText(encodeText(text)), text);
  }
});

test('half a character is refused, not replaced', () => {
  for (const text of ['party 🎉'.slice(0, 7), '\uDC00', 'a\uD800b']) assert.throws(() => encodeText(text), RangeError);
});

test('bytes that are not text are refused', () => {
  assert.throws(() => decodeText(toBase64(Uint8Array.of(0xff, 0xfe))), TypeError);
});

test('base64 is what the server takes for it', () => {
  for (const text of ['AA', 'AA=', 'AB==', 'AAB=', 'A===', 'AA==AA==', 'AA==\n', ' AAAA', 'AA-_', '====']) {
    assert.throws(() => fromBase64(text), RangeError, text);
  }
  for (let length = 0; length < 300; length++) {
    const bytes = Uint8Array.from({ length }, (_, i) => (i * 151 + length) & 0xff);
    assert.deepEqual(fromBase64(toBase64(bytes)), bytes);
  }
});
