import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

import { freePort, Server, until } from 'syncline-testing';

const example = fileURLToPath(new URL('../../../../examples/bff-node', import.meta.url));
const modules = fileURLToPath(new URL('../../../node_modules', import.meta.url));

let directory: string;
let server: Server;
before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'bff-'));
  cpSync(example, directory, { recursive: true, filter: (path) => !path.endsWith('node_modules') });
  symlinkSync(modules, join(directory, 'node_modules'));
  server = await Server.start();
});
after(async () => {
  await server.stop();
  rmSync(directory, { recursive: true });
});

/** Starts the example with a key file of its own, and answers where its notes are. */
async function start(t: TestContext, url: string, keyFile: string): Promise<string> {
  const port = await freePort();
  const env = { PATH: process.env['PATH'], PORT: String(port), SYNCLINE_URL: url, SERVICE_KEY_FILE: keyFile };
  const running = spawn(process.execPath, ['server.js'], { cwd: directory, env, stdio: ['ignore', 'ignore', 'ignore'] });
  t.after(async () => {
    running.kill();
    await once(running, 'exit');
  });
  const notes = `http://127.0.0.1:${port}/notes`;
  await until(async () => (await fetch(`http://127.0.0.1:${port}/`)).status === 404);
  return notes;
}

async function ask(url: string, method = 'GET', body?: string, ifMatch?: string) {
  const response = await fetch(url, { method, ...(body !== undefined && { body }), ...(ifMatch && { headers: { 'if-match': ifMatch } }) });
  return [response.status, response.headers.get('etag'), await response.text()];
}

test('backend for frontend: notes are written, read, and never overwritten unseen', async (t) => {
  const url = `${await start(t, server.url, 'notes.key')}/list`;
  const refused = 'If-Match must be an ETag that this service gave\n';
  assert.deepEqual(await ask(url), [404, null, 'no such note\n']);
  assert.deepEqual(await ask(url, 'PUT', 'milk'), [201, '"1"', '']);
  assert.deepEqual(await ask(url), [200, '"1"', 'milk']);
  assert.deepEqual(await ask(url, 'PUT', 'bread'), [409, '"1"', 'milk']);
  assert.deepEqual(await ask(url, 'PUT', 'milk, bread', '"1"'), [204, '"2"', '']);
  assert.deepEqual(await ask(url, 'PUT', 'jam', '"1"'), [412, '"2"', 'milk, bread']);
  assert.deepEqual(await ask(url, 'PUT', 'jam', '*'), [400, null, refused]);
  assert.deepEqual(await ask(url, 'PUT', 'x'.repeat(65 * 1024), '"2"'), [413, null, 'a note holds at most 64 KiB\n']);
  assert.equal((await ask(url, 'DELETE'))[0], 405);
  assert.equal((await ask(`${url}${'n'.repeat(65)}`))[0], 400);
});

test('backend for frontend: another start has the same identity, whose key only the owner may read', async (t) => {
  const first = await start(t, server.url, 'kept.key');
  await ask(`${first}/list`, 'PUT', 'milk');
  const file = join(directory, 'kept.key');
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.match(readFileSync(file, 'utf8'), /^[0-9a-f]{64}\n$/);
  assert.deepEqual(await ask(`${await start(t, server.url, 'kept.key')}/list`), [200, '"1"', 'milk']);
});

test('backend for frontend: a key that is scrambled stops the start, and stays', async () => {
  const file = join(directory, 'scrambled.key');
  writeFileSync(file, 'scrambled');
  const env = { PATH: process.env['PATH'], SERVICE_KEY_FILE: file };
  const running = spawn(process.execPath, ['server.js'], { cwd: directory, env, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  running.stderr.on('data', (text) => (said += text));
  const [code] = (await once(running, 'close')) as [number];
  assert.equal(code, 1);
  assert.match(said, /there is no key in .*scrambled.key: restore it from your copy/);
  assert.equal(readFileSync(file, 'utf8'), 'scrambled');
});

test('backend for frontend: says so while Syncline is away', async (t) => {
  const url = await start(t, `http://127.0.0.1:${await freePort()}/graphql`, 'away.key');
  assert.deepEqual(await ask(`${url}/list`), [503, null, 'the store is away: try again\n']);
});
