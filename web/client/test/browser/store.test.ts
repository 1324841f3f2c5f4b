import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';

import type { Browser, BrowserContext } from 'playwright-core';
import { bundle, launchChromium, Server, Site, until } from 'syncline-testing';

import type {} from './pages/store.js';

let server: Server;
let site: Site;
let browser: Browser;
let script: Promise<string>;
before(async () => {
  script = bundle(fileURLToPath(new URL('../../browser/pages/store.ts', import.meta.url)));
  [server, browser, site] = await Promise.all([Server.start(), launchChromium(), script.then((text) => Site.ofScript(text))]);
});
after(() => Promise.all([browser.close(), server.stop(), site.stop()]));

async function visit(context: BrowserContext, name?: string) {
  const page = await context.newPage();
  await page.goto(site.origin(name));
  return page;
}

/** A page with the store of its browser's user. */
async function tab(context: BrowserContext, name?: string) {
  const page = await visit(context, name);
  await page.evaluate((url) => stored.open(url), server.url);
  return {
    page,
    put: (id: string, value: number, where: 'here' | 'server' = 'server') => page.evaluate(([...args]) => stored.put(...args), [id, value, where] as const),
    seen: () => page.evaluate(() => stored.seen()),
    status: () => page.evaluate(() => stored.status()),
  };
}

test('IndexedDB of Chromium passes the suite of storages', async () => {
  const context = await browser.newContext();
  const { checks, failed } = await (await visit(context)).evaluate(() => stored.suite());
  assert.deepEqual(failed, []);
  assert.ok(checks >= 8);
  await context.close();
});

test('tabs see what each other wrote, also when the one that syncs crashes, and after a reload', async () => {
  const context = await browser.newContext();
  const [first, second] = [await tab(context), await tab(context)];
  await until(async () => (await second.status()).connection === 'live');
  assert.equal(await second.put('a', 1), '');
  await until(async () => (await first.seen())['a'] === 1);
  const control = await context.newCDPSession(first.page);
  void control.send('Page.crash').catch(() => {});
  assert.equal(await second.put('b', 2), ''); // by the second one now
  await second.page.reload();
  await second.page.evaluate((url) => stored.open(url), server.url);
  await until(async () => (await second.status()).connection === 'live');
  await until(async () => isDeepStrictEqual(await second.seen(), { a: 1, b: 2 }));
  await context.close();
});

test('what is written offline is there after a reload, and is sent once there is a network', async () => {
  const context = await browser.newContext();
  const only = await tab(context);
  assert.equal(await only.put('a', 1), '');
  await server.kill();
  assert.equal(await only.put('a', 2, 'here'), '');
  assert.equal(await only.put('b', 2, 'here'), '');
  await only.page.reload();
  await only.page.evaluate((url) => stored.open(url), server.url);
  assert.deepEqual(await only.seen(), { a: 2, b: 2 });
  const { uploaded, pending } = await only.status();
  assert.deepEqual([uploaded, pending.count], [false, 2]);
  await server.start();
  await until(async () => (await only.status()).uploaded);
  await until(async () => isDeepStrictEqual(await only.seen(), { a: 2, b: 2 }));
  await context.close();
});

test('a file takes what waits to another browser, whose tabs show it at once', async () => {
  const [old, young] = [await browser.newContext(), await browser.newContext()];
  const left = await tab(old);
  assert.equal(await left.put('a', 1), '');
  await server.kill();
  assert.equal(await left.put('a', 2, 'here'), '');
  assert.equal(await left.put('b', 2, 'here'), '');
  const [file, key] = await left.page.evaluate(() => Promise.all([stored.export(), stored.key()]));
  await old.close();

  const keeper = await visit(young);
  await keeper.evaluate((text) => stored.keep(text), key);
  const [one, other] = [await tab(young), await tab(young)];
  assert.equal(await one.page.evaluate((text) => stored.import(text), `${file} `), 'DAMAGED');
  assert.deepEqual(await one.seen(), {});
  assert.equal(await one.page.evaluate((text) => stored.import(text), file), '');
  assert.deepEqual(await one.seen(), { a: 2, b: 2 });
  await until(async () => (await other.seen())['b'] === 2);
  await one.page.reload();
  await one.page.evaluate((url) => stored.open(url), server.url);
  assert.deepEqual(await one.seen(), { a: 2, b: 2 });
  assert.equal((await one.status()).pending.count, 2);
  await server.start();
  await until(async () => (await one.status()).uploaded);
  assert.deepEqual(await one.seen(), { a: 2, b: 2 });
  await young.close();
});

test('a page of plain http, which has no Web Locks, syncs as well', async () => {
  const context = await browser.newContext();
  const [first, second] = [await tab(context, 'app.test'), await tab(context, 'app.test')];
  assert.equal(await first.put('a', 1), '');
  assert.equal(await second.put('b', 2), '');
  for (const { seen } of [first, second]) await until(async () => isDeepStrictEqual(await seen(), { a: 1, b: 2 }));
  await context.close();
});

test('a full disk refuses a write by its code, and is no obstacle once there is room', async () => {
  const context = await browser.newContext();
  const untouched = await Site.ofScript(await script); // no room was granted to it before
  const page = await context.newPage();
  await page.goto(untouched.origin());
  const put = (where: 'here' | 'server') => page.evaluate((at) => stored.put('a', 1, at), where);
  const control = await context.newCDPSession(page);
  await control.send('Storage.overrideQuotaForOrigin', { origin: untouched.origin(), quotaSize: 1 });
  assert.equal(await page.evaluate((url) => stored.openUnknown(url), server.url), '');
  assert.equal(await put('here'), 'STORAGE_FULL');
  assert.deepEqual(await page.evaluate(() => stored.seen()), {});
  await control.send('Storage.overrideQuotaForOrigin', { origin: untouched.origin() });
  assert.equal(await put('server'), '');
  await Promise.all([context.close(), untouched.stop()]);
});

test('a database that the browser evicted with writes in it is told of', async () => {
  const context = await browser.newContext();
  const only = await tab(context);
  assert.equal(await only.put('a', 1), '');
  assert.equal((await only.status()).evicted, undefined);
  await server.kill();
  assert.equal(await only.put('b', 2, 'here'), '');
  await only.page.evaluate(() => stored.evict());
  await only.page.reload();
  await only.page.evaluate((url) => stored.open(url), server.url);
  assert.deepEqual((await only.status()).evicted, { pending: 1 });
  const second = await tab(context); // is told, too, and so is who comes back later
  assert.deepEqual((await second.status()).evicted, { pending: 1 });
  await server.start();
  await until(async () => (await only.seen())['a'] === 1);
  await only.page.reload();
  await only.page.evaluate((url) => stored.open(url), server.url);
  const { evicted, uploaded } = await only.status();
  assert.deepEqual([evicted, uploaded], [{ pending: 1 }, false]);
  await second.page.evaluate(() => stored.acknowledge());
  await until(async () => (await only.status()).uploaded);
  assert.equal((await only.status()).evicted, undefined);
  await context.close();
});

test('a database that the browser removes under an open tab, as where a person clears site data, is told of at once', async () => {
  const context = await browser.newContext();
  const only = await tab(context);
  assert.equal(await only.put('a', 1), '');
  await server.kill();
  assert.equal(await only.put('b', 2, 'here'), '');
  const control = await context.newCDPSession(only.page);
  await control.send('Storage.clearDataForOrigin', { origin: site.origin(), storageTypes: 'indexeddb' });
  await until(async () => (await only.status()).evicted?.pending === 1);
  assert.equal((await only.status()).uploaded, false);
  await until(async () => isDeepStrictEqual(await only.seen(), {}));
  await server.start();
  await until(async () => isDeepStrictEqual(await only.seen(), { a: 1 }));
  await context.close();
});

test('a new user who has seen nothing of the server yet is told of no eviction', async () => {
  const context = await browser.newContext();
  await server.kill();
  const only = await tab(context);
  await only.page.reload();
  await only.page.evaluate((url) => stored.open(url), server.url);
  assert.equal((await only.status()).evicted, undefined);
  await server.start();
  await context.close();
});
