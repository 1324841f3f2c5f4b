import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

import { build } from 'esbuild';

const LIMIT = 10_000;

test(`signer and fetch are at most ${LIMIT} bytes, minified and gzipped`, async (t) => {
  const { outputFiles } = await build({
    stdin: {
      contents: `export { Identity, Session, signedFetch } from '@syncline/client'`,
      resolveDir: import.meta.dirname,
    },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    write: false,
  });
  const { length } = gzipSync(outputFiles[0]!.contents, { level: 9 });
  t.diagnostic(`${length} bytes`);
  assert.ok(length <= LIMIT, `${length} bytes`);
});
