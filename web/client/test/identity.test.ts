import 'fake-indexeddb/auto';

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { IDBFactory } from 'fake-indexeddb';
import { browserKeyStore, Identity, memoryKeyStore, openIdentity } from '@syncline/client';

test('an identity survives export and import', () => {
  const identity = Identity.create();
  assert.match(identity.publicKey, /^0[23][0-9a-f]{64}$/);
  assert.equal(Identity.fromHex(` ${identity.exportHex()}\n`).publicKey, identity.publicKey);
  assert.equal(Identity.fromBytes(identity.exportBytes()).publicKey, identity.publicKey);
});

test('what is no key is refused, saying what one is', () => {
  const order = 'fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141';
  for (const text of ['', 'hello', 'ab', '0'.repeat(64), order, 'g'.repeat(64)]) {
    assert.throws(() => Identity.fromHex(text), { code: 'KEY_INVALID', message: /Paste the key/ });
  }
});

for (const [name, make] of [
  ['memory', () => memoryKeyStore()],
  ['browser', () => browserKeyStore({ indexedDB: new IDBFactory() })],
  ['browser without WebCrypto', () => browserKeyStore({ indexedDB: new IDBFactory(), subtle: undefined })],
] as const) {
  test(`${name}: makes an identity once and keeps it`, async () => {
    const store = make();
    assert.equal(await store.load(), null);
    const [one, two] = await Promise.all([openIdentity(store), openIdentity(store)]);
    assert.equal(one.publicKey, two.publicKey);
    assert.equal((await store.load())?.publicKey, one.publicKey);
    const imported = Identity.create();
    await store.save(imported);
    assert.equal((await openIdentity(store)).publicKey, imported.publicKey);
    await store.remove();
    assert.equal(await store.load(), null);
  });
}

test('browser: identities of several names stand side by side', async () => {
  const indexedDB = new IDBFactory();
  const first = await openIdentity(browserKeyStore({ indexedDB, name: 'first' }));
  const second = await openIdentity(browserKeyStore({ indexedDB, name: 'second' }));
  assert.notEqual(first.publicKey, second.publicKey);
});

test('browser: an identity that cannot be read is not replaced', async () => {
  const indexedDB = new IDBFactory();
  const store = browserKeyStore({ indexedDB });
  await openIdentity(store);
  const broken = { ...crypto.subtle, decrypt: () => Promise.reject(new Error('OperationError')) } as unknown as SubtleCrypto;
  const reading = openIdentity(browserKeyStore({ indexedDB, subtle: broken }));
  await assert.rejects(reading, { code: 'STORAGE_CORRUPT', message: /import the key/ });
  assert.ok(await store.load());
});

function failing(name: string): IDBFactory {
  return {
    open() {
      throw new DOMException('no', name);
    },
  } as unknown as IDBFactory;
}

test('browser: a page that may not even ask for IndexedDB is told what to do', async (t) => {
  const kept = Object.getOwnPropertyDescriptor(globalThis, 'indexedDB')!;
  t.after(() => Object.defineProperty(globalThis, 'indexedDB', kept));
  Object.defineProperty(globalThis, 'indexedDB', {
    configurable: true,
    get() {
      throw new DOMException('The operation is insecure.', 'SecurityError');
    },
  });
  const store = browserKeyStore();
  const identity = Identity.create();
  for (const act of [() => store.load(), () => store.save(identity), () => store.saveIfAbsent(identity), () => store.remove()]) {
    await assert.rejects(act(), { code: 'STORAGE_BLOCKED', message: /allow site data/ });
  }
});

test('browser: blocked and full storage say what to do', async () => {
  const blocked = browserKeyStore({ indexedDB: failing('SecurityError') });
  await assert.rejects(openIdentity(blocked), { code: 'STORAGE_BLOCKED', message: /allow site data/ });
  const full = browserKeyStore({ indexedDB: failing('QuotaExceededError') });
  await assert.rejects(openIdentity(full), { code: 'STORAGE_FULL', message: /free some disk space/ });
});
