import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import type { Browser } from 'playwright-core';
import { bundle, freePort, launchChromium, Server, Site } from 'syncline-testing';

import type {} from './pages/basics.js';

let site: Site;
let browser: Browser;
before(async () => {
  const script = bundle(fileURLToPath(new URL('../../browser/pages/basics.ts', import.meta.url)));
  [browser, site] = await Promise.all([launchChromium(), script.then((text) => Site.ofScript(text))]);
});
after(() => Promise.all([browser.close(), site.stop()]));

/** What a page of an origin gets by HTTP, by WebSocket and by server-sent events. */
async function reach(origin: string, url: string) {
  const page = await browser.newPage();
  await page.goto(origin);
  const outcomes = await page.evaluate(
    async (to) => [await syncline.ask(to), await syncline.listen(to, 'WebSocket'), await syncline.listen(to, 'EventSource')],
    url,
  );
  const isSecure = await page.evaluate(() => isSecureContext);
  await page.close();
  return { outcomes, isSecure };
}

const served = [{ value: 'itself' }, { value: 'CAUGHT_UP' }, { value: 'CAUGHT_UP' }];

test('pages of every origin are served by default, also such that are not secure and lack WebCrypto', async () => {
  const server = await Server.start();
  assert.deepEqual(await reach(site.origin(), server.url), { outcomes: served, isSecure: true });
  assert.deepEqual(await reach(site.origin('app.test'), server.url), { outcomes: served, isSecure: false });
  await server.stop();
});

test('only the origins that ALLOWED_ORIGINS names are served; others learn of it, by HTTP and by WebSocket', async () => {
  const server = await Server.start({ ALLOWED_ORIGINS: site.origin('good.test') });
  assert.deepEqual((await reach(site.origin('good.test'), server.url)).outcomes, served);
  const { outcomes } = await reach(site.origin('evil.test'), server.url);
  for (const refused of outcomes as { code: string; message: string }[]) {
    assert.equal(refused.code, 'UNREACHABLE');
    assert.match(refused.message, /ALLOWED_ORIGINS/);
  }
  assert.equal(outcomes.length, 3);
  await server.stop();
});

test('a host that is not there says what to check', async () => {
  const { outcomes } = await reach(site.origin(), `http://127.0.0.1:${await freePort()}/graphql`);
  for (const refused of outcomes as { code: string; message: string }[]) {
    assert.equal(refused.code, 'UNREACHABLE');
    assert.match(refused.message, /check the URL, the network and that the server runs/);
  }
});
