import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { fromBase64, fromHex, Identity, SynclineError, toHex } from '@syncline/client';
import { MAX_DATA, openKey, SealingKey, shareKey } from '@syncline/client/seal';

interface Vectors {
  keys: { privateKey: string; owner: string; secret: string; id: string; hiddenId: string }[];
  boxes: { name: string; privateKey: string; id: string; schemaVersion: string; data: string; seen: number; hidden: boolean; nonce: string; box: string }[];
  open: { name: string; privateKey: string; id: string; schemaVersion: string; box: string; revision: number; lastSeen: number; error: string }[];
  sealedKeys: { name: string; owner: string; recipient: string; ephemeral: string; ownerKey: string; sealed: string; secret: string; error: string }[];
}

// Not exported: a nonce or an ephemeral key of one's own choice is for vectors alone.
const { shareKeyWith } = (await import(new URL('../../dist/seal/share.js', import.meta.url).href)) as {
  shareKeyWith(owner: Identity, recipient: string, ephemeral: Uint8Array): Uint8Array;
};

const file = new URL('../../../../testdata/vectors/encryption.json', import.meta.url);
const vectors = JSON.parse(readFileSync(file, 'utf8')) as Vectors;
const keyOf = (privateKey: string) => SealingKey.of(Identity.fromHex(privateKey));

for (const { privateKey, owner, secret, id, hiddenId } of vectors.keys) {
  test(`derives the key of ${owner.slice(0, 8)}`, () => {
    const key = keyOf(privateKey);
    assert.equal(key.owner, owner);
    assert.equal(toHex(key.exportSecret()), secret);
    assert.equal(key.hiddenId(id), hiddenId);
  });
}

for (const vector of vectors.boxes) {
  const { name, privateKey, id, schemaVersion, seen, hidden } = vector;
  test(`seals to the byte, and opens: ${name}`, () => {
    const key = keyOf(privateKey);
    const data = fromBase64(vector.data);
    const box = fromBase64(vector.box);
    assert.deepEqual(key.sealWith({ id, schemaVersion, data, seen, hidden }, fromHex(vector.nonce)), box);
    const storedId = hidden ? key.hiddenId(id) : id;
    assert.deepEqual(key.open({ id: storedId, schemaVersion, box, revision: seen + 1 }), { id, data, seen, hidden });
  });
}

for (const { name, privateKey, id, schemaVersion, box, revision, lastSeen, error } of vectors.open) {
  test(`opens or refuses: ${name}`, () => {
    const open = () => keyOf(privateKey).open({ id, schemaVersion, box: fromBase64(box), revision, lastSeen });
    if (error) assert.throws(open, (thrown) => thrown instanceof SynclineError && thrown.code === error);
    else open();
  });
}

for (const { name, owner, recipient, ephemeral, ownerKey, sealed, secret, error } of vectors.sealedKeys) {
  test(`opens or refuses a key: ${name}`, () => {
    const to = Identity.fromHex(recipient);
    if (ephemeral) assert.equal(toHex(shareKeyWith(Identity.fromHex(ownerKey), to.publicKey, fromHex(ephemeral))), sealed);
    const open = () => openKey(fromHex(sealed), to, owner);
    if (error) assert.throws(open, (thrown) => thrown instanceof SynclineError && thrown.code === error);
    else assert.equal(toHex(open().exportSecret()), secret);
  });
}

test('a key that was shared opens what its owner seals, and seals what the owner opens', () => {
  const [owner, reader] = [Identity.create(), Identity.create()];
  const key = openKey(shareKey(owner, reader.publicKey), reader, owner.publicKey);
  const own = SealingKey.of(owner);
  const data = new Uint8Array([1, 2, 3]);
  assert.deepEqual(key.open({ id: 'a', box: own.seal({ id: 'a', data }) }).data, data);
  assert.deepEqual(own.open({ id: 'a', box: key.seal({ id: 'a', data }) }).data, data);
});

test('what just fits is sealed, and a byte more is refused', () => {
  const key = SealingKey.of(Identity.create());
  assert.equal(key.seal({ id: 'a', data: new Uint8Array(MAX_DATA) }).length, 65_536);
  assert.throws(() => key.seal({ id: 'a', data: new Uint8Array(MAX_DATA + 1) }), (thrown) => thrown instanceof SynclineError && thrown.code === 'TOO_LARGE');
  const hidden = { id: 'notes/1', hidden: true };
  assert.equal(key.seal({ ...hidden, data: new Uint8Array(MAX_DATA - 7) }).length, 65_536);
  assert.throws(() => key.seal({ ...hidden, data: new Uint8Array(MAX_DATA - 6) }), { code: 'TOO_LARGE' });
});

test('a box whose revision nobody would read is not made', () => {
  const key = SealingKey.of(Identity.create());
  for (const seen of [-1, 0.5, 2 ** 53, NaN]) assert.throws(() => key.seal({ id: 'a', data: new Uint8Array(), seen }), { code: 'BAD_USER_INPUT' });
});

test('a box seen as a part of a larger buffer opens, too', () => {
  const key = SealingKey.of(Identity.create());
  const box = key.seal({ id: 'a', data: new Uint8Array([7]) });
  const buffer = new Uint8Array(box.length + 9);
  buffer.set(box, 5);
  assert.deepEqual(key.open({ id: 'a', box: buffer.subarray(5, 5 + box.length) }).data, new Uint8Array([7]));
});
