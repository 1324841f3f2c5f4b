import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import type { Browser, Page } from 'playwright-core';
import { bundle, launchChromium, Server, Site } from 'syncline-testing';

import type {} from './pages/react.js';

const entry = fileURLToPath(new URL('../../browser/pages/react.tsx', import.meta.url));
const old = fileURLToPath(new URL('../../../../oldest/node_modules/', import.meta.url));
/** By version: the packages that take the place of the present ones. */
const versions = { '18.2.0': { react: `${old}react`, 'react-dom': `${old}react-dom`, 'react-dom/server': `${old}react-dom/server.browser.js` }, '19.3.1': {} };

let server: Server;
let browser: Browser;
before(async () => {
  [server, browser] = await Promise.all([Server.start(), launchChromium()]);
});
after(() => Promise.all([browser.close(), server.stop()]));

for (const [version, alias] of Object.entries(versions)) {
  test(`React ${version}`, async (t) => {
    const site = await Site.ofScript(await bundle(entry, alias));
    t.after(() => site.stop());
    const context = await browser.newContext();
    const page: Page = await context.newPage();
    await page.goto(site.origin());
    assert.equal(await page.evaluate(() => react.version), version);

    await t.test('StrictMode and many renderings open one watch for each query, and none is left', async () => {
      const { first, shown, during, after: left, lists, kept } = await page.evaluate(() => react.strict());
      assert.match(first, /^unread\s+unread\s+unread\s+unread$/);
      assert.match(shown, /^a\/1=1,a\/2=2\s+a\/1=1,a\/2=2\s+one 1\s+none$/);
      assert.deepEqual(during, { opened: 3, open: 3 });
      assert.deepEqual(left, { opened: 3, open: 0 });
      assert.equal(lists, 3, 'unread, and one list for each change');
      assert.ok(kept, 'a record that did not change is the same object');
    });

    await t.test('a component that takes the place of another shows at once what that one showed', async () => {
      const { successor, other, during, after: left } = await page.evaluate(() => react.succession());
      assert.equal(successor, 'a=0');
      assert.equal(other, 'unread', 'nothing of another query is shown');
      assert.deepEqual(during, { opened: 2, open: 1 });
      assert.deepEqual(left, { opened: 2, open: 0 });
    });

    await t.test('components rendered before and after a write are never shown together', async () => {
      const { rendered, commits } = await page.evaluate(() => react.concurrent());
      assert.deepEqual(rendered, [1, 2], 'the write was in the middle');
      assert.ok(commits.length > 0);
      for (const commit of commits) assert.match(commit, /^[12]$/);
      assert.equal(commits.at(-1), '2');
    });

    await t.test('what is suspended watches nothing before it is shown, and goes on when it is hidden', async () => {
      const { first, again, after: left } = await page.evaluate(() => react.suspended());
      assert.deepEqual(first, ['waits', 0]);
      assert.deepEqual(again, ['waits', 1]);
      assert.deepEqual(left, { opened: 1, open: 0 });
    });

    await t.test('another store takes the place of the first without a trace of its records', async () => {
      const { shown, open } = await page.evaluate(() => react.replaced());
      const nothing = 'unread unread';
      assert.deepEqual(shown, [nothing, nothing, nothing, nothing, 'a=3 one 3', nothing, nothing]);
      assert.deepEqual(open, [0, 0, 0, 0]);
    });

    await t.test('what cannot be read or opened reaches an error boundary, and is tried again by the next', async () => {
      const { opened, after: left } = await page.evaluate(() => react.failing());
      assert.deepEqual(opened, { opened: 1, open: 0 });
      assert.deepEqual(left, { opened: 2, open: 0 });
    });

    await t.test('what a server rendered is taken over', async () => {
      const { taken, troubles, after: left } = await page.evaluate(() => react.hydrated());
      assert.ok(taken);
      assert.deepEqual(troubles, []);
      assert.equal(left.open, 0);
    });

    await t.test('what is written waits, is uploaded, and comes from other devices', async () => {
      const states = await page.evaluate((url) => react.online(url), server.url);
      assert.equal(states[0], 'connecting 0 false', 'while it is opened');
    });
    await context.close();
  });
}
