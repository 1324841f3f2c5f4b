import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { launchChromium, Server, until } from 'syncline-testing';

import { Visitor } from './visitor.js';

const folder = fileURLToPath(new URL('../../../../docs/images/', import.meta.url));
const write = process.env['SYNCLINE_SCREENSHOTS'] === '1';

const pictures = Object.entries({ desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } }).flatMap(([name, viewport]) =>
  (['light', 'dark'] as const).map((colorScheme) => ({ path: `${folder}playground-${name}-${colorScheme}.png`, viewport, colorScheme })),
);

test('the pictures in the documents are there; SYNCLINE_SCREENSHOTS=1 takes them anew', async (t) => {
  if (write) {
    const [server, browser] = await Promise.all([Server.start(), launchChromium()]);
    t.after(() => Promise.all([browser.close(), server.stop()]));
    for (const { path, viewport, colorScheme } of pictures) {
      const visitor = await Visitor.open(browser, server.origin, { viewport, colorScheme, reducedMotion: 'reduce' });
      for (const example of ['Create', 'Update', 'Conflict']) await visitor.run(example);
      await visitor.actAs('First user, Phone');
      await visitor.run('Update');
      await until(async () => (await visitor.page.locator('.device .count').first().innerText()) === '3');
      await visitor.page.mouse.move(0, 0);
      await visitor.page.screenshot({ path, animations: 'disabled', caret: 'hide' });
      await visitor.leave();
    }
  }
  for (const { path } of pictures) assert.ok(existsSync(path), path);
});
