import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

import { build } from 'esbuild';

const LIMITS: [what: string, exports: string, limit: number, from?: string][] = [
  ['signer and fetch are', 'Identity, Session, signedFetch', 10_240],
  ['follow is', 'follow', 2_000],
  ['the store is, with what it needs of the core,', 'openStore', 18_000, '@syncline/client/store'],
  ['React\'s hooks are', 'SyncProvider, useRecord, useRecords, useStore, useSyncStatus', 1_500, '@syncline/client/react'],
  ['Vue\'s composables are', 'useRecord, useRecords, useSyncStatus', 600, '@syncline/client/vue'],
  ['Svelte\'s stores are', 'record, records, syncStatus', 600, '@syncline/client/svelte'],
  ['the collection of TanStack DB is', 'synclineCollectionOptions', 1_000, '@syncline/client/tanstack-db'],
  ['the replication of RxDB is, with what it needs of the core,', 'replicateSyncline', 12_000, '@syncline/client/rxdb'],
  ['encryption is, with what it needs,', 'SealingKey, shareKey, openKey', 12_500, '@syncline/client/seal'],
];

for (const [what, exports, limit, from = '@syncline/client'] of LIMITS) {
  test(`${what} at most ${limit} bytes, minified and gzipped`, async (t) => {
    const { outputFiles } = await build({
      stdin: { contents: `export { ${exports} } from '${from}'`, resolveDir: import.meta.dirname },
      bundle: true,
      external: ['react', 'rxdb', 'rxdb/*', 'rxjs', 'vue', '*/seal-of.js', '*/file.js', '*/reseal.js'], // the latter are loaded by the store when they are asked for
      minify: true,
      format: 'esm',
      target: 'es2022',
      write: false,
    });
    const { length } = gzipSync(outputFiles[0]!.contents, { level: 9 });
    t.diagnostic(`${length} bytes`);
    assert.ok(length <= limit, `${length} bytes`);
  });
}
