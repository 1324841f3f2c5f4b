import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import type { Browser, JSHandle, Page } from 'playwright-core';
import { bundle, launchChromium, Server, Site, until } from 'syncline-testing';

import type { App } from './pages/app.js';
import type { Library } from './pages/clients.js';

// The page's origin is not the server's, so all of this crosses origins.
let server: Server;
let site: Site;
let browser: Browser;
before(async () => {
  const script = bundle(fileURLToPath(new URL('../../browser/pages/clients.ts', import.meta.url)));
  [server, browser, site] = await Promise.all([Server.start(), launchChromium(), script.then((text) => Site.ofScript(text))]);
});
after(() => Promise.all([browser.close(), site.stop(), server.stop()]));

async function visit(library: Library): Promise<{ page: Page; app: JSHandle<App> }> {
  const page = await browser.newPage();
  await page.goto(site.origin());
  const app = await page.evaluateHandle(([name, url]) => openApp(name, url), [library, server.url] as const);
  return { page, app };
}

const write = (app: JSHandle<App>, ...args: Parameters<App['write']>) => app.evaluate((a, given) => a.write(...given), args);
const read = (app: JSHandle<App>, id: string) => app.evaluate((a, given) => a.read(given), id);
const feedOf = (app: JSHandle<App>) => app.evaluate((a) => a.feed);

const caching: readonly Library[] = ['Apollo Client', 'urql'];

for (const library of ['Apollo Client', 'urql', 'graphql-ws', 'graphql-sse'] as const) {
  test(`${library} in Chromium: writes, reads, and learns of a conflict`, async () => {
    const { page, app } = await visit(library);
    assert.deepEqual(await write(app, 'a', 'first'), { status: 'SUCCESS', revision: 1 });
    assert.deepEqual(await write(app, 'a', 'second'), { status: 'CONFLICT', revision: 1 });
    assert.equal(await read(app, 'a'), 'first');
    assert.deepEqual(await write(app, 'a', 'second', 1), { status: 'SUCCESS', revision: 2 });
    assert.equal(await read(app, 'a'), 'second');
    assert.equal(await read(app, 'b'), null);
    await page.close();
  });

  test(`${library} in Chromium: goes on across a server that is killed, nothing lost and nothing twice`, async () => {
    const { page, app } = await visit(library);
    await app.evaluate((a) => a.follow());
    await until(async () => (await feedOf(app)).caughtUp === 1);
    const ids = Array.from({ length: 60 }, (_, i) => `n${i}`);
    const writing = app.evaluate(async (a, all) => {
      const results = [];
      for (const id of all) results.push(await a.write(id, id));
      return results;
    }, ids);
    for (const [kills, reached] of [10, 30].entries()) {
      await until(async () => (await feedOf(app)).seen.length >= reached);
      await until(async () => (await feedOf(app)).caughtUp > kills); // or this connection would never tell
      await server.kill();
      await server.start();
    }
    const expected = ids.map((_, i) => ({ status: 'SUCCESS', revision: i + 1 }));
    assert.deepEqual(await writing, expected);
    await until(async () => (await feedOf(app)).seen.length >= ids.length);
    await write(app, 'last', '');
    await until(async () => (await feedOf(app)).seen.includes('last') && (await feedOf(app)).caughtUp >= 3);
    const { seen, caughtUp } = await feedOf(app);
    assert.deepEqual(seen, [...ids, 'last']);
    assert.equal(caughtUp, 3); // once on each connection
    await page.close();
  });

  test(`${library} in Chromium: another identity sees nothing of the first`, async () => {
    const { page, app } = await visit(library);
    await write(app, 'secret', 'of the first');
    assert.equal(await read(app, 'secret'), 'of the first');
    if (caching.includes(library)) assert.ok((await app.evaluate((a) => a.cached())).includes('secret'));
    await app.evaluate((a) => switchIdentity(a));
    assert.equal((await app.evaluate((a) => a.cached())).includes('secret'), false);
    assert.equal(await read(app, 'secret'), null);
    await app.evaluate((a) => a.follow());
    assert.deepEqual(await write(app, 'own', ''), { status: 'SUCCESS', revision: 1 });
    await until(async () => (await feedOf(app)).seen.length > 0);
    assert.deepEqual((await feedOf(app)).seen, ['own']);
    await page.close();
  });
}
