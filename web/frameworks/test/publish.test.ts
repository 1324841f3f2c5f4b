import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

// What the release workflow runs, but that it packs instead of publishing.

const root = fileURLToPath(new URL('../../../', import.meta.url));
const { version } = JSON.parse(readFileSync(join(root, 'web/client/package.json'), 'utf8')) as { version: string };

const publish = (tag: string) =>
  spawnSync(join(root, 'scripts/publish-client.sh'), [tag, 'sh', '-c', 'npm pack --json --dry-run && cat package.json'], {
    encoding: 'utf8',
    env: { ...process.env, GITHUB_REPOSITORY: 'somebody/syncline' },
  });

test('the tag of a release names the version', () => {
  const { status, stderr } = publish('client-v99.0.0');
  assert.equal(status, 1);
  assert.ok(stderr.includes(`the tag is client-v99.0.0, and web/client/package.json has version ${version}`), stderr);
});

test('what is published is all of the package, may be published, and says where it comes from', () => {
  const { status, stdout, stderr } = publish(`client-v${version}`);
  assert.equal(status, 0, stderr);
  for (const each of ['README.md', 'LICENSE', 'dist/index.js', 'dist/index.d.ts', 'dist/store/index.js', 'src/index.ts']) {
    assert.ok(stdout.includes(`"path": "${each}"`), each);
  }
  const published = JSON.parse(stdout.slice(stdout.lastIndexOf('\n{'))) as { private?: boolean; scripts: object; repository: { url: string } };
  assert.equal(published.private, undefined);
  assert.equal(published.repository.url, 'git+https://github.com/somebody/syncline.git');
});
