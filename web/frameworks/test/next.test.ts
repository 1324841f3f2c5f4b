import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import type { Browser } from 'playwright-core';
import { freePort, launchChromium, Server, until } from 'syncline-testing';

import { makeApp } from './guide.js';

let server: Server;
let browser: Browser;
before(async () => {
  [server, browser] = await Promise.all([Server.start(), launchChromium()]);
});
after(() => Promise.all([browser.close(), server.stop()]));

const next = createRequire(import.meta.url).resolve('next/dist/bin/next');
const tsc = fileURLToPath(new URL('../../node_modules/.bin/tsc', import.meta.url));
const env = { ...process.env, NEXT_TELEMETRY_DISABLED: '1', NODE_ENV: 'production' as const };

test('Next.js builds the guide’s code as it stands, renders without a user, and shows the lists in Chromium', async (t) => {
  const directory = makeApp('next', server.origin, ['app/page.tsx', 'src/Notes.tsx', 'src/live.ts', 'src/fetch.ts', 'src/session.ts', 'src/Offline.tsx', 'src/store.ts'], {
    'app/layout.tsx': `export default function Layout({ children }: { children: React.ReactNode }) {
      return <html lang="en"><body>{children}</body></html>;
    }`,
    'app/write/page.tsx': `'use client';
      import { useEffect } from 'react';
      export default function Page() {
        useEffect(() => void import('../../src/fetch'), []);
        return <p>writes</p>;
      }`,
    // A component of the server, which may use what the package marks as the client's.
    'app/offline/page.tsx': `import { SyncProvider } from '@syncline/client/react';
      import Offline from '../../src/Offline';
      export default function Page() {
        return <SyncProvider store={undefined}><Offline /></SyncProvider>;
      }`,
    // TypeScript 7 has no interface for Next.js to check types by: tsc does.
    'next.config.mjs': 'export default { typescript: { ignoreBuildErrors: true }, turbopack: { root: import.meta.dirname + "/../../.." } };',
    'package.json': '{ "private": true, "type": "module" }',
    'tsconfig.json': JSON.stringify({
      extends: '../../../client/tsconfig.json',
      compilerOptions: { noEmit: true, jsx: 'react-jsx', module: 'esnext', moduleResolution: 'bundler', types: ['react'], rootDir: '.' },
      include: ['app', 'src'],
    }),
  });
  const built = execFileSync(process.execPath, [next, 'build'], { cwd: directory, env, encoding: 'utf8' });
  assert.match(built, /Compiled successfully/);
  try {
    execFileSync(tsc, ['-p', directory], { encoding: 'utf8' });
  } catch (error) {
    assert.fail((error as { stdout: string }).stdout);
  }

  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const running = spawn(process.execPath, [next, 'start', '--hostname', '127.0.0.1', '--port', String(port)], { cwd: directory, env, stdio: ['ignore', 'ignore', 2] });
  t.after(() => running.kill('SIGKILL'));
  await until(async () => (await fetch(origin)).ok);
  for (const path of ['/', '/offline']) {
    const rendered = await (await fetch(origin + path)).text();
    assert.doesNotMatch(rendered, /0[23][0-9a-f]{64}|Internal Server Error/, 'nobody is the server’s user');
    assert.equal(rendered.includes('<p>Opening</p>'), path === '/offline');
  }

  const context = await browser.newContext();
  const page = await context.newPage();
  const troubles: string[] = [];
  page.on('pageerror', ({ message }) => troubles.push(message));
  const said = page.waitForEvent('console', (message) => message.text().includes('"status":"SUCCESS"'));
  await page.goto(`${origin}/write`);
  await said;
  await page.goto(origin);
  await page.getByRole('listitem').filter({ hasText: 'greeting, revision 1' }).waitFor();
  await page.goto(`${origin}/offline`);
  await page.getByRole('button', { name: 'Add' }).click();
  await page.getByRole('listitem').filter({ hasText: 'milk' }).waitFor();
  await page.getByText('live', { exact: true }).waitFor();
  assert.deepEqual(troubles, []);
  await context.close();
});
