import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';

import type { Browser, Page } from 'playwright-core';
import { launchChromium } from 'syncline-testing';

const images = fileURLToPath(new URL('../../../docs/images/', import.meta.url));
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

let program: ChildProcess;
let browser: Browser;
let origin: string;

before(async () => {
  program = spawn(fileURLToPath(new URL('basic', import.meta.url)), ['-listen', '127.0.0.1:0'], { stdio: ['ignore', 'pipe', 2] });
  const [line] = (await once(createInterface(program.stdout!), 'line')) as [string];
  origin = line.replace('open ', '');
  browser = await launchChromium();
});

after(async () => {
  await browser?.close();
  const exited = once(program, 'exit');
  program.kill('SIGINT');
  assert.deepEqual(await exited, [0, null], 'the program ends by itself when it is interrupted');
});

/** A visitor's page; at its end nothing may have gone wrong on it. */
async function visit(options: Parameters<Browser['newPage']>[0], use: (page: Page) => Promise<void>): Promise<void> {
  const page = await browser.newPage(options);
  const faults: string[] = [];
  page.on('console', (message) => message.type() === 'error' && faults.push(message.text()));
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('request', (request) => request.url().startsWith(origin) || request.url().startsWith('data:') || faults.push(request.url()));
  await page.goto(origin);
  await page.getByText('connected', { exact: true }).waitFor();
  await use(page);
  await page.close();
  assert.deepEqual(faults, []);
}

const card = (page: Page, device: string) => page.locator(`[data-device=${device}]`);
const note = (page: Page, device: string, text: string) => card(page, device).locator('[data-notes]').getByText(text, { exact: true });

test('what one device writes shows on all, also after an offline spell', async () => {
  await visit({}, async (page) => {
    await page.getByRole('button', { name: 'Take tablet offline' }).click();
    await card(page, 'tablet').getByText('offline', { exact: true }).waitFor();
    const written = page.getByRole('textbox', { name: 'What the phone writes' });
    await written.fill('milk and bread');
    await written.press('Enter');
    for (const device of ['phone', 'laptop']) await note(page, device, 'milk and bread').waitFor();
    assert.equal(await note(page, 'tablet', 'milk and bread').count(), 0);
    await page.getByRole('button', { name: 'Bring tablet online' }).click();
    await note(page, 'tablet', 'milk and bread').waitFor();
    await page.locator('#terminal').getByText('NoteWritten shopping: milk and bread').first().waitFor();
  });
});

test('a conflict is made, resolved, and told of', async () => {
  await visit({}, async (page) => {
    await page.getByRole('textbox', { name: 'Note', exact: true }).fill('holiday');
    await page.getByRole('button', { name: 'Make a conflict' }).click();
    await page.locator('#conflicts').getByText('the last write wins').waitFor();
    for (const device of ['phone', 'laptop', 'tablet']) await note(page, device, 'what the laptop says').waitFor();
    await page.locator('#terminal .resolution').first().waitFor();
  });
});

for (const [size, viewport] of Object.entries({ desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } })) {
  for (const colorScheme of ['light', 'dark'] as const) {
    test(`accessible on a ${size}, ${colorScheme}`, async () => {
      await visit({ viewport, colorScheme }, async (page) => {
        await page.locator('#conflicts li:not(.empty)').first().waitFor();
        assert.equal(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), true, 'nothing sticks out');
        await page.evaluate(axe);
        const violations = await page.evaluate('axe.run().then((r) => r.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html)}`))');
        assert.deepEqual(violations, []);
        if (process.env['SYNCLINE_SCREENSHOTS']) {
          mkdirSync(images, { recursive: true });
          await page.screenshot({ path: `${images}example-basic-${size}-${colorScheme}.png` });
        }
      });
    });
  }
}
