import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import type { Browser, Page } from 'playwright-core';
import { bundle, launchChromium, launchProfile, Site } from 'syncline-testing';

import type {} from './pages/basics.js';

let site: Site;
let browser: Browser;
before(async () => {
  const script = bundle(fileURLToPath(new URL('../../browser/pages/basics.ts', import.meta.url)));
  [browser, site] = await Promise.all([launchChromium(), script.then((text) => Site.ofScript(text))]);
});
after(() => Promise.all([browser.close(), site.stop()]));

async function visit(page: Page, name?: string): Promise<Page> {
  await page.goto(site.origin(name));
  return page;
}

const keep = (page: Page) => page.evaluate(() => syncline.keep());

/** The entry in the page's database, as far as it can be shown, and what comes of an export of its key. */
const lookInto = (page: Page) =>
  page.evaluate(async () => {
    const settled = <T>(request: IDBRequest<T>) =>
      new Promise<T>((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
    const database = await settled(indexedDB.open('syncline'));
    const entry = await settled(database.transaction('identities').objectStore('identities').get('default'));
    database.close();
    const wrapping = entry.wrapping as CryptoKey | undefined;
    return {
      fields: Object.keys(entry).sort(),
      extractable: wrapping?.extractable,
      exported: wrapping && (await crypto.subtle.exportKey('raw', wrapping).then(() => 'yes', (error) => error.name)),
      bytes: [...new Uint8Array(entry.sealed ?? entry.plain)],
    };
  });

test('a reload keeps the identity, encrypted under a key that no script can export', async () => {
  const page = await visit(await browser.newPage());
  const first = await keep(page);
  await page.reload();
  assert.deepEqual(await keep(page), first);
  const entry = await lookInto(page);
  assert.deepEqual(entry.fields, ['iv', 'sealed', 'wrapping']);
  assert.equal(entry.extractable, false);
  assert.equal(entry.exported, 'InvalidAccessError');
  const key = Buffer.from(await page.evaluate(() => syncline.exportKept()), 'hex');
  assert.equal(Buffer.from(entry.bytes).includes(key), false);
  await page.close();
});

test('a page without WebCrypto keeps the identity too', async () => {
  const page = await visit(await browser.newPage(), 'app.test');
  const first = await keep(page);
  await page.reload();
  assert.deepEqual(await keep(page), first);
  assert.deepEqual((await lookInto(page)).fields, ['plain']);
  await page.close();
});

test('the files of a profile do not show the key', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'profile-'));
  const context = await launchProfile(directory);
  const keys: Buffer[] = [];
  for (const name of [undefined, 'app.test']) {
    const page = await visit(await context.newPage(), name);
    await keep(page);
    keys.push(Buffer.from(await page.evaluate(() => syncline.exportKept()), 'hex'));
  }
  await context.close();
  const [encrypted, plain] = keys.map((key) => isFound(key, directory));
  assert.equal(encrypted, false);
  assert.equal(plain, true); // without WebCrypto it is there, which shows that the search finds
  rmSync(directory, { recursive: true, maxRetries: 10 }); // Chromium's last process may be about to end
});

function isFound(bytes: Buffer, directory: string): boolean {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .some((entry) => readFileSync(join(entry.parentPath, entry.name)).includes(bytes));
}

test('private browsing: the identity lasts as long as the window', async () => {
  const window = await browser.newContext();
  const first = await keep(await visit(await window.newPage()));
  assert.deepEqual(await keep(await visit(await window.newPage())), first);
  await window.close();
  const again = await browser.newContext();
  assert.notDeepEqual(await keep(await visit(await again.newPage())), first);
  await again.close();
});

test('blocked site data says what to do', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'profile-'));
  mkdirSync(join(directory, 'Default'));
  const preferences = { profile: { default_content_setting_values: { cookies: 2 } } };
  writeFileSync(join(directory, 'Default', 'Preferences'), JSON.stringify(preferences));
  const context = await launchProfile(directory);
  const blocked = (await keep(await visit(await context.newPage()))) as { code: string; message: string };
  assert.equal(blocked.code, 'STORAGE_BLOCKED');
  assert.match(blocked.message, /allow site data .* memoryKeyStore/);
  await context.close();
  rmSync(directory, { recursive: true, maxRetries: 10 }); // Chromium's last process may be about to end
});

test('a full disk says what to do', async () => {
  const page = await visit(await browser.newPage());
  const control = await page.context().newCDPSession(page);
  await control.send('Storage.overrideQuotaForOrigin', { origin: site.origin(), quotaSize: 1 });
  const full = (await keep(page)) as { code: string; message: string };
  assert.equal(full.code, 'STORAGE_FULL');
  assert.match(full.message, /free some disk space/);
  await page.close();
});

test('an identity that the browser removed is not replaced in silence', async () => {
  const window = await browser.newContext();
  const page = await visit(await window.newPage());
  const first = (await keep(page)) as { value: string };
  await page.evaluate(() => localStorage.clear()); // as an earlier release left it
  await page.reload();
  assert.deepEqual(await keep(page), first);
  await page.evaluate(() => new Promise((resolve) => (indexedDB.deleteDatabase('syncline').onsuccess = resolve)));
  await page.reload();
  const gone = (await keep(page)) as { code: string; message: string };
  assert.equal(gone.code, 'STORAGE_EVICTED');
  assert.match(gone.message, /import the key .* begin as a new user/);
  await page.evaluate(() => syncline.forget());
  const second = (await keep(page)) as { value: string };
  assert.ok(second.value && second.value !== first.value);
  await window.close();
});
