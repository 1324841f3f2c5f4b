import assert from 'node:assert/strict';

import type { Browser } from 'playwright-core';
import { until } from 'syncline-testing';
import type { Site } from 'syncline-testing';

import type {} from './served.js';

/** What any framework shows of the guide's list. */
export async function showsTheGuidesNotes(browser: Browser, site: Site): Promise<void> {
  const context = await browser.newContext();
  const page = await context.newPage();
  const troubles: string[] = [];
  page.on('pageerror', ({ message }) => troubles.push(message));
  await page.goto(site.origin());
  await page.getByRole('button', { name: 'Add' }).click();
  await page.getByRole('listitem').filter({ hasText: 'milk' }).waitFor();
  await page.getByText('live', { exact: true }).waitFor();
  await page.reload();
  await page.getByRole('listitem').filter({ hasText: 'milk' }).waitFor();
  assert.deepEqual(troubles, []);
  await context.close();
}

/** What any framework shows of the stores of two users, from one to the other. */
export async function showsWhatIsThere(browser: Browser, site: Site): Promise<void> {
  const page = await browser.newPage();
  const troubles: string[] = [];
  page.on('pageerror', ({ message }) => troubles.push(message));
  await page.goto(site.origin());
  const shows = (text: string) => page.getByText(text, { exact: true }).waitFor();
  await shows('none | a | unread | unread | false');
  await page.evaluate(() => app.show('one'));
  await shows('one | a | a of one | a of one | true');
  await page.evaluate(() => app.put('one', 'a2', 'more'));
  await shows('one | a | a of one,more | a of one | true');
  await page.evaluate(() => app.ask('b'));
  await shows('one | b | b of one | b of one | true');
  await page.evaluate(() => app.remove('one', 'b'));
  await shows('one | b | empty | absent | true');
  await page.evaluate(() => app.show('two'));
  await shows('two | b | b of two | b of two | true');
  await page.evaluate(() => app.ask('a'));
  await shows('two | a | a of two | a of two | true');
  const frames = await page.evaluate(() => app.frames);
  for (const text of frames) assert.doesNotMatch(text, /^two .* of one|^one .* of two|^\w+ \| b \|.*\ba of|^\w+ \| a \|.*\bb of/, frames.join('\n'));

  assert.deepEqual(await page.evaluate(() => app.failures), []);
  await page.evaluate(() => app.show('broken'));
  await until(() => page.evaluate(() => app.failures.some((message) => message.includes('broken'))));
  await page.evaluate(() => app.show('one'));
  await page.evaluate(() => app.unmount());
  await until(async () => (await page.evaluate(() => app.watching())) === 0);
  assert.deepEqual(troubles, []);
  await page.close();
}
