import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const guide = new URL('../../../../docs/javascript.md', import.meta.url);
const directory = new URL('../snippets/', import.meta.url); // beside the tests, whose packages it sees
const declared = "declare const session: import('@syncline/client').Session;\n";

test('every snippet of the guide fits the types', (t) => {
  const snippets = [...readFileSync(guide, 'utf8').matchAll(/^```ts\n(.*?)^```/gms)].map((match) => match[1]!);
  assert.ok(snippets.length >= 6);
  mkdirSync(directory, { recursive: true });
  t.after(() => rmSync(directory, { recursive: true }));
  snippets.forEach((snippet, i) => {
    const needsSession = !snippet.includes('const session');
    writeFileSync(new URL(`${i}.ts`, directory), (needsSession ? declared : '') + snippet);
  });
  const options = { extends: '../../tsconfig.json', compilerOptions: { noEmit: true, noUnusedLocals: false, rootDir: '.' }, include: ['*.ts'] };
  writeFileSync(new URL('tsconfig.json', directory), JSON.stringify(options));
  const { status, stdout } = spawnSync('npx', ['--no-install', 'tsc', '-p', fileURLToPath(directory)], { encoding: 'utf8' });
  assert.equal(status, 0, stdout);
});
