import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { exports: Record<string, { types: string }> };

const attempt = `
  const failures = {};
  for (const path of JSON.parse(process.argv[1])) {
    await import('@syncline/client' + path.slice(1)).catch((error) => (failures[path] = error.message));
  }
  console.log(JSON.stringify(failures));
`;

test('without optional packages, only what builds on one of them fails, and names it', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'package-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const run = (command: string, ...args: string[]) => execFileSync(command, args, { cwd: directory, encoding: 'utf8' });
  const [{ filename }] = JSON.parse(run('npm', 'pack', root, '--json', '--ignore-scripts')) as [{ filename: string }];
  const modules = join(directory, 'node_modules');
  mkdirSync(join(modules, '@syncline/client'), { recursive: true });
  run('tar', '-xf', filename, '--strip-components=1', '-C', join(modules, '@syncline/client'));
  cpSync(join(root, '../node_modules/@noble'), join(modules, '@noble'), { recursive: true });

  const failures = JSON.parse(
    run('node', '--input-type=module', '-e', attempt, JSON.stringify(Object.keys(exports))),
  ) as Record<string, string>;
  const missing = Object.entries(failures).map(([path, message]) => [path, /Cannot find package '([^']+)'/.exec(message)?.[1]]);
  assert.deepEqual(missing, [
    ['./apollo', '@apollo/client'],
    ['./urql', '@urql/core'],
    ['./graphql-ws', 'graphql-ws'],
    ['./graphql-sse', 'graphql-sse'],
    ['./react', 'react'],
    ['./vue', 'vue'],
    ['./rxdb', 'rxdb'],
  ]);
});

test('the package has its licence and a page for those who find it, and types that TypeScript 5.0 reads', () => {
  const listed = execFileSync('npm', ['pack', root, '--json', '--dry-run', '--ignore-scripts'], { encoding: 'utf8' });
  const [{ files }] = JSON.parse(listed) as [{ files: { path: string }[] }];
  const paths = files.map(({ path }) => path);
  for (const path of ['README.md', 'LICENSE', ...Object.values(exports).map(({ types }) => types.slice(2))]) {
    assert.ok(paths.includes(path), path);
  }
  assert.equal(readFileSync(join(root, 'LICENSE'), 'utf8'), readFileSync(join(root, '../../LICENSE'), 'utf8'));
  for (const path of paths.filter((name) => name.endsWith('.d.ts'))) {
    assert.doesNotMatch(readFileSync(join(root, path), 'utf8'), /Uint8Array<|const T\b|\baccessor\b/, `${path}: TypeScript below 5.7 has no such type`);
  }
});
