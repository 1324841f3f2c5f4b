import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import type { Browser, BrowserContext } from 'playwright-core';
import { bundle, launchChromium, listen, Server, Site, until } from 'syncline-testing';
import WebSocket, { WebSocketServer } from 'ws';

import type {} from './pages/streams-of-tabs.js';

let server: Server;
let site: Site;
let browser: Browser;
before(async () => {
  const script = bundle(fileURLToPath(new URL('../../browser/pages/streams-of-tabs.ts', import.meta.url)));
  [server, browser, site] = await Promise.all([Server.start(), launchChromium(), script.then((text) => Site.ofScript(text))]);
});
after(() => Promise.all([browser.close(), site.stop(), server.stop()]));

async function open(context: Pick<BrowserContext, 'newPage'>, url: string, transport: 'WebSocket' | 'EventSource') {
  const page = await context.newPage();
  await page.goto(site.origin());
  await page.evaluate(([to, by]) => tab.start(to, by), [url, transport] as const);
  return { page, state: () => page.evaluate(() => tab.state) };
}

test('Chromium: a WebSocket is made again after each close code that may pass', async (t) => {
  const codes = [1000, 1002, 1011, 4400, 4429, 4500]; // of which graphql-ws makes something else by itself
  const http = createServer();
  const proxy = new WebSocketServer({ server: http });
  const left = [...codes];
  proxy.on('connection', (near, { headers }) => {
    const code = left.shift();
    const far = new WebSocket(server.url.replace('http', 'ws'), 'graphql-transport-ws', { headers: { host: headers.host! } });
    const opened = new Promise((resolve) => far.once('open', resolve));
    near.on('message', (message) => void opened.then(() => far.send(message.toString())));
    far.on('message', (message) => {
      near.send(message.toString());
      if (code) near.close(code);
    });
    near.on('close', () => far.close());
  });
  const url = `http://127.0.0.1:${await listen(http)}/graphql`;
  t.after(() => http.close());
  const { page, state } = await open(browser, url, 'WebSocket');
  await until(async () => (await state()).caughtUp === 1 || (await state()).ended !== '');
  const { ended, closed, retries } = await state();
  const given = closed.filter((code) => code !== 4499); // which the client says of a server that is slow
  assert.deepEqual([ended, given], ['', codes]);
  assert.equal(retries.length, closed.length);
  await page.close();
});

test('Chromium: a seventh event stream over HTTP/1.1 says why it is not answered, a write waits with it, and both come when tabs are closed', async () => {
  const context = await browser.newContext();
  const tabs = await Promise.all(Array.from({ length: 6 }, () => open(context, server.url, 'EventSource')));
  for (const { state } of tabs) await until(async () => (await state()).caughtUp >= 1);
  const seventh = await open(context, server.url, 'EventSource');
  await seventh.page.evaluate((to) => tab.write(to), server.url);
  await until(async () => (await seventh.state()).retries.length > 0);
  assert.match((await seventh.state()).retries[0]!, /^UNREACHABLE .*six connections.*HTTP\/2/);
  assert.deepEqual([(await seventh.state()).caughtUp, (await seventh.state()).written], [0, ''], 'a write waits, too');
  await tabs[0]!.page.close();
  await until(async () => (await seventh.state()).written !== '');
  assert.equal((await seventh.state()).written, '{"data":{"setRecord":{"status":"SUCCESS"}}}');
  await tabs[1]!.page.close();
  await until(async () => (await seventh.state()).caughtUp >= 1);
  await context.close();
});
