import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';

import { makeApp } from './guide.js';

const client = fileURLToPath(new URL('../../client/', import.meta.url));
const { exports } = JSON.parse(readFileSync(join(client, 'package.json'), 'utf8')) as { exports: Record<string, unknown> };
const oldest = createRequire(new URL('../../oldest/package.json', import.meta.url)).resolve('typescript/lib/tsc.js');

const USES = `
import { browserIdentities, decodeText, follow, Identity, memoryKeyStore, newNonce, openIdentity, Session, signedFetch, SynclineError, toBase64, withLock } from '@syncline/client';
import type { FeedRecord } from '@syncline/client';
import { resetOnSwitch, synclineLink, typePolicies } from '@syncline/client/apollo';
import { scalars } from '@syncline/client/codegen';
import { createEventSource } from '@syncline/client/graphql-sse';
import { createSocket } from '@syncline/client/graphql-ws';
import { SyncProvider, useRecord, useRecords, useStore, useSyncStatus } from '@syncline/client/react';
import type { SyncProviderProps } from '@syncline/client/react';
import { replicateSyncline } from '@syncline/client/rxdb';
import type { SynclineReplicationOptions } from '@syncline/client/rxdb';
import { memoryStorage, openStore } from '@syncline/client/store';
import type { Status, Store, StoredRecord } from '@syncline/client/store';
import { openKey, SealingKey, shareKey } from '@syncline/client/seal';
import { record, records, syncStatus } from '@syncline/client/svelte';
import type { Readable } from '@syncline/client/svelte';
import { synclineCollectionOptions } from '@syncline/client/tanstack-db';
import type { CollectionOptions } from '@syncline/client/tanstack-db';
import { clientPerIdentity, keys, liveExchange, resolvers, signedOptions } from '@syncline/client/urql';
import * as vue from '@syncline/client/vue';

export async function use(): Promise<FeedRecord | null> {
  const identity: Identity = await openIdentity(memoryKeyStore());
  const session = new Session({ url: 'http://localhost:8080/graphql', identity });
  const socket = createSocket(session, { onRetry: (error: SynclineError) => error.code });
  const bytes: string = toBase64(identity.exportBytes()) + decodeText('') + newNonce();
  const store: Store<{ n: number }> = await openStore(session, { live: socket, storage: memoryStorage(), merge: { a: 'mine', b: ({ mine }) => mine } });
  await store.put('a', { n: 1 }).synced;
  store.watch('a', ([record]) => record?.value?.n);
  const key: SealingKey = openKey(shareKey(identity, identity.publicKey), identity, identity.publicKey);
  const sealed: Uint8Array = key.open({ id: 'a', box: key.seal({ id: 'a', data: identity.exportBytes() }) }).data;
  if (sealed.length === 0) return null;
  const status: number = await withLock(session, bytes, async ({ fence }) => fence.token);
  for await (const change of follow(createEventSource(session), { since: String(status) })) if (change.kind === 'CHANGED') return change.record;
  const shown: Readable<readonly StoredRecord<{ n: number }>[] | undefined> = records(store, { prefix: 'a' });
  const counts: (number | undefined)[] = [vue.useRecord(store, () => 'a').value?.value?.n, vue.useRecords(() => store, ['a']).value?.length, vue.useSyncStatus(store).value.refused];
  const others: Identity[] = await browserIdentities().list();
  await store.import(await store.export());
  void [shown, counts, others, record(store, 'a'), syncStatus(Promise.resolve(store))];
  const items: CollectionOptions<{ id: string }> = { store, prefix: 'a', getKey: ({ id }) => id, onLeftOut: ({ problem }) => problem?.code };
  const { onInsert, getKey } = synclineCollectionOptions(items);
  const itemKey: string = getKey({ id: 'a' });
  void [onInsert, itemKey];
  const replicated: Omit<SynclineReplicationOptions<{ id: string }>, 'collection'> = { session, live: socket, prefix: 'a', batchSize: 10 };
  void [replicateSyncline, replicated];
  void [synclineLink(session, socket), typePolicies, resetOnSwitch, scalars, clientPerIdentity, keys, liveExchange(socket), resolvers, signedOptions(session), signedFetch(session)];
  return null;
}
export function Shown({ store }: SyncProviderProps) {
  const record: StoredRecord<{ n: number }> | null | undefined = useRecord<{ n: number }>('a');
  const lists: (readonly StoredRecord<{ n: number }>[] | undefined)[] = [useRecords(), useRecords(['a']), useRecords({ prefix: 'a', above: 'a/1' })];
  const status: Status = useSyncStatus();
  void useStore<{ n: number }>()?.put('a', { n: status.pending.count + (record?.value?.n ?? lists.length) });
  return SyncProvider({ store });
}
export const opening: SyncProviderProps = { store: openStore<{ n: number }>(null!) };
// @ts-expect-error: a list is not of one id
useRecords('a');
// @ts-expect-error: it may be none
useRecord('a').value;
// @ts-expect-error: an identity is made by its own functions
new Identity(new Uint8Array());
`;

for (const [module, moduleResolution] of [['node16', 'node16'], ['esnext', 'bundler']] as const) {
  test(`TypeScript 5.0 reads all types of the package, moduleResolution ${moduleResolution}`, () => {
    const directory = makeApp(`typescript-${moduleResolution}`, '', [], {
      'use.ts': USES,
      'package.json': '{ "private": true, "type": "module" }',
      'tsconfig.json': JSON.stringify({
        compilerOptions: { strict: true, noEmit: true, target: 'es2022', lib: ['es2022', 'dom', 'dom.iterable'], types: [], module, moduleResolution, skipLibCheck: false },
        files: ['use.ts'],
      }),
    });
    assert.match(execFileSync(process.execPath, [oldest, '--version'], { encoding: 'utf8' }), /Version 5\.0\./);
    let said = '';
    try {
      execFileSync(process.execPath, [oldest, '-p', directory], { encoding: 'utf8' });
    } catch (error) {
      said = (error as { stdout: string }).stdout;
    }
    // What the libraries below have in their own types is theirs.
    const ours = said.split('\n').filter((line) => line.includes('use.ts') || /client\/dist/.test(line));
    assert.deepEqual(ours, []);
  });
}

test('publint and attw find nothing wrong with the package as it is packed', async () => {
  const directory = makeApp('packed', '', [], {});
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'package.json'), '{}');
  const said = execFileSync('npm', ['pack', client, '--json', '--ignore-scripts'], { cwd: directory, encoding: 'utf8' });
  const tarball = readFileSync(join(directory, (JSON.parse(said) as [{ filename: string }])[0].filename));
  const { messages, pkg } = await publint({ pack: { tarball: tarball.buffer.slice(tarball.byteOffset, tarball.byteOffset + tarball.byteLength) }, strict: true });
  assert.deepEqual(messages.map((message) => formatMessage(message, pkg)), []);
  const analysis = await checkPackage(createPackageFromTarballData(tarball));
  assert.ok(analysis.types, 'it has types');
  // It is of ES modules, which older resolutions and require() do not find: the guide says so.
  const found = analysis.problems.filter(({ kind, ...where }) => {
    const resolution = 'resolutionKind' in where ? where.resolutionKind : '';
    return resolution !== 'node10' && !(resolution === 'node16-cjs' && kind === 'CJSResolvesToESM');
  });
  assert.deepEqual(found, []);
  assert.deepEqual(Object.keys(analysis.entrypoints).sort(), Object.keys(exports).sort());
});
