import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import type { Browser } from 'playwright-core';
import { freePort, launchChromium, Server, until } from 'syncline-testing';
import { createServer } from 'vite';

import { makeApp } from './guide.js';

let server: Server;
let browser: Browser;
before(async () => {
  [server, browser] = await Promise.all([Server.start(), launchChromium()]);
});
after(() => Promise.all([browser.close(), server.stop()]));

const MAIN = `
import { follow, Identity, newNonce, Session, signedFetch } from '@syncline/client';
import { createEventSource } from '@syncline/client/graphql-sse';
import { createSocket } from '@syncline/client/graphql-ws';

const session = new Session({ url: '/graphql', identity: Identity.create() });
const send = signedFetch(session);
for (const [name, client] of [['WebSocket', createSocket(session)], ['EventSource', createEventSource(session)]]) {
  follow(client, {
    onCaughtUp: () => console.log(name, 'live'),
    onRecord: ({ id }) => console.log(name, id),
    onRetry: (error) => console.log(name, error.message),
  }).run().catch((error) => console.log(name, error.message));
}
globalThis.write = async (id) => {
  const query = 'mutation ($input: SetRecordInput!) { setRecord(input: $input) { status } }';
  const body = JSON.stringify({ query, variables: { input: { id, data: '', mutationId: newNonce() } } });
  return (await send(session.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })).text();
};
`;

test('Chromium: behind the proxy of Vite’s server, as the guide sets it, requests, WebSockets and event streams pass', async (t) => {
  const root = makeApp('vite', server.origin, ['vite.config.ts'], {
    'index.html': '<!doctype html><title>An app</title><link rel="icon" href="data:,"><script type="module" src="/main.js"></script>',
    'main.js': MAIN,
  });
  const port = await freePort();
  const vite = await createServer({
    root,
    configFile: join(root, 'vite.config.ts'),
    logLevel: 'error',
    cacheDir: join(root, 'cache'),
    server: { host: '127.0.0.1', port, strictPort: true },
  });
  await vite.listen();
  t.after(() => vite.close());
  const page = await browser.newPage();
  const said: string[] = [];
  page.on('console', (message) => said.push(message.text()));
  await page.goto(`http://127.0.0.1:${port}/`);
  for (const name of ['WebSocket', 'EventSource']) await until(() => said.includes(`${name} live`));
  const answer = await page.evaluate(() => (globalThis as unknown as { write(id: string): Promise<string> }).write('a'));
  assert.equal(answer, '{"data":{"setRecord":{"status":"SUCCESS"}}}');
  for (const name of ['WebSocket', 'EventSource']) await until(() => said.includes(`${name} a`));
  await page.close();
});
