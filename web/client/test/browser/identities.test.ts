import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import type { Browser, BrowserContext } from 'playwright-core';
import { bundle, launchChromium, Site, until } from 'syncline-testing';

import type {} from './pages/identities.js';

let site: Site;
let browser: Browser;
before(async () => {
  const script = bundle(fileURLToPath(new URL('../../browser/pages/identities.ts', import.meta.url)));
  [browser, site] = await Promise.all([launchChromium(), script.then((text) => Site.ofScript(text))]);
});
after(() => Promise.all([browser.close(), site.stop()]));

/** A tab whose session is shared; `user` is who it found. */
async function tab(context: BrowserContext) {
  const page = await context.newPage();
  await page.goto(site.origin());
  return { page, user: await page.evaluate(() => identities.visit()), present: () => page.evaluate(() => identities.present()) };
}

test('who was chosen last is the user of the next visit and of the other tabs, and none is lost', async () => {
  const context = await browser.newContext();
  const [one, other] = [await tab(context), await tab(context)];
  assert.equal(other.user, one.user);
  const second = await one.page.evaluate(() => identities.create());
  await until(async () => (await other.present()) === second);
  const all = [one.user, second].sort();
  assert.deepEqual(await other.page.evaluate(() => identities.list()), all);

  await one.page.reload();
  assert.equal(await one.page.evaluate(() => identities.visit()), second);
  await other.page.evaluate((user) => identities.choose(user), one.user);
  await until(async () => (await one.present()) === one.user);
  await one.page.reload();
  assert.equal(await one.page.evaluate(() => identities.visit()), one.user);
  assert.deepEqual(await one.page.evaluate(() => identities.list()), all);
  await context.close();
});

test('tabs that choose at the same time end with one user, which is that of the next visit', async () => {
  const context = await browser.newContext();
  const [one, other] = [await tab(context), await tab(context)];
  for (let round = 0; round < 20; round++) {
    const made = await Promise.all([one, other].map(({ page }) => page.evaluate(() => identities.create())));
    await until(async () => (await one.present()) === (await other.present()));
    const third = await tab(context);
    assert.ok(made.includes(third.user));
    await until(async () => (await one.present()) === third.user && (await other.present()) === third.user);
    await third.page.close();
  }
  assert.equal((await one.page.evaluate(() => identities.list())).length, 41);
  const before = await one.page.evaluate(() => identities.thereAndBack());
  await until(async () => (await other.present()) === before);
  assert.equal((await tab(context)).user, before);
  await context.close();
});

test('the identity that a page kept before is the first one, and stays when another is chosen', async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(site.origin());
  const old = await page.evaluate(() => identities.visitOld());
  assert.deepEqual(await page.evaluate(() => identities.list()), [old]);
  const young = await page.evaluate(() => identities.create());
  assert.deepEqual(await page.evaluate(() => identities.list()), [old, young].sort());
  assert.equal(await page.evaluate(() => identities.visitOld()), young);
  assert.equal(await page.evaluate(() => identities.visit()), young);
  await context.close();
});

test('a session that is not shared any more is followed by nobody, and follows nobody', async () => {
  const context = await browser.newContext();
  const [one, other] = [await tab(context), await tab(context)];
  await other.page.evaluate(() => identities.stop());
  const alone = await other.page.evaluate(() => identities.create());
  const second = await one.page.evaluate(() => identities.create());
  const third = await tab(context); // was made after both, and so has heard of either
  assert.equal(third.user, second);
  assert.deepEqual([await one.present(), await other.present()], [second, alone]);
  assert.deepEqual(await third.page.evaluate(() => identities.list()), [one.user, second].sort());
  await context.close();
});

test('an identity that was removed is gone, and was chosen by nobody', async () => {
  const context = await browser.newContext();
  const one = await tab(context);
  const second = await one.page.evaluate(() => identities.create());
  await one.page.evaluate((user) => identities.remove(user), one.user);
  assert.deepEqual(await one.page.evaluate(() => identities.list()), [second]);
  await one.page.evaluate((user) => identities.remove(user), second);
  assert.deepEqual(await one.page.evaluate(() => identities.list()), []);
  const young = await tab(context);
  assert.ok(![one.user, second].includes(young.user));
  await context.close();
});

test('a switch between opening and sharing is followed', async () => {
  const context = await browser.newContext();
  const one = await tab(context);
  const page = await context.newPage();
  await page.goto(site.origin());
  assert.equal(await page.evaluate(() => identities.beginVisit()), one.user);
  const second = await one.page.evaluate(() => identities.create());
  await page.evaluate(() => identities.share());
  await until(async () => (await page.evaluate(() => identities.present())) === second);
  await context.close();
});

test('an identity is removed under all names, also where another one cannot be read', async () => {
  const context = await browser.newContext();
  const one = await tab(context);
  await one.page.evaluate(() => identities.damage('damaged'));
  await one.page.evaluate((user) => identities.keepAs(user, 'backup'), one.user);
  const second = await one.page.evaluate(() => identities.create());
  assert.deepEqual(await one.page.evaluate(() => identities.list()), [one.user, second].sort());
  await one.page.evaluate((user) => identities.remove(user), one.user);
  assert.deepEqual(await one.page.evaluate(() => identities.list()), [second]);
  await context.close();
});
