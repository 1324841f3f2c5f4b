import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import type { Browser } from 'playwright-core';
import { bundle, launchChromium, Server, Site } from 'syncline-testing';

let site: Site;
let browser: Browser;
before(async () => {
  const script = bundle(fileURLToPath(new URL('../../browser/pages/basics.ts', import.meta.url)));
  [browser, site] = await Promise.all([launchChromium(), script.then((text) => Site.ofScript(text))]);
});
after(() => Promise.all([browser.close(), site.stop()]));

/** The status that a page of another origin gets for a request with more headers; why it gets none. */
async function send(url: string, headers: Record<string, string>, credentials: 'include' | 'omit' = 'omit'): Promise<number | string> {
  const page = await browser.newPage();
  await page.goto(site.origin('app.test'));
  const outcome = await page.evaluate(
    async (request) => {
      try {
        const response = await fetch(request.url, {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...request.headers },
          credentials: request.credentials,
          body: '{"query":"{ limits { maxBatch } }"}',
        });
        return response.status;
      } catch (error) {
        return String(error);
      }
    },
    { url, headers, credentials },
  );
  await page.close();
  return outcome;
}

test('pages may send what tracing and GraphQL libraries add to requests', async () => {
  const server = await Server.start();
  const common = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: 'a=1', baggage: 'a=1', 'sentry-trace': '1-1' };
  const apollo = { 'apollographql-client-name': 'web', 'apollographql-client-version': '1', 'apollo-require-preflight': 'true' };
  assert.equal(await send(server.url, { ...common, ...apollo, 'x-request-id': 'abc' }), 200);
  assert.match(String(await send(server.url, { 'x-app': '1' })), /Failed to fetch/);
  assert.match(String(await send(server.url, {}, 'include')), /Failed to fetch/); // cookies: not for pages of all origins
  await server.stop();
});

test('ALLOWED_HEADERS names headers of an app’s own, and pages of named origins may send cookies', async () => {
  const server = await Server.start({ ALLOWED_HEADERS: 'X-App', ALLOWED_ORIGINS: site.origin('app.test') });
  assert.equal(await send(server.url, { 'x-app': '1' }, 'include'), 200);
  assert.match(String(await send(server.url, { traceparent: '1' })), /Failed to fetch/);
  await server.stop();
});
