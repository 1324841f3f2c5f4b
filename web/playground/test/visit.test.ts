import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';

import type { Browser, Page } from 'playwright-core';
import { launchChromium, Server, until } from 'syncline-testing';

import { assertHas } from './has.js';
import { Visitor } from './visitor.js';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const panels = ['Feed', 'Records', 'Locks', 'Request', 'History', 'Identity', 'Data', 'Docs'];

let server: Server;
let browser: Browser;
before(async () => {
  [server, browser] = await Promise.all([Server.start(), launchChromium()]);
});
after(() => Promise.all([browser.close(), server.stop()]));

test('first visit: all is served compressed, nothing fails, and the editors know the schema', async () => {
  const visitor = await Visitor.open(browser, server.origin);
  const kinds = await visitor.page.evaluate(() => performance.getEntriesByType('resource').map(({ name }) => name));
  assert.ok(kinds.some((name) => name.endsWith('.css')) && kinds.some((name) => name.includes('editor')), kinds.join());
  assert.match(await visitor.publicKey('First user'), /^0[23][0-9a-f]{64}$/);
  const docs = await visitor.panel('Docs');
  await docs.getByRole('link', { name: 'Mutation', exact: true }).click();
  await docs.getByRole('link', { name: 'setRecord', exact: true }).click();
  await docs.getByText('Creates a record or replaces it whole').waitFor();
  await visitor.leave();
});

for (const colorScheme of ['light', 'dark'] as const) {
  for (const [name, viewport] of Object.entries({ desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } })) {
    test(`${name}, ${colorScheme}: accessible, and nothing sticks out`, async () => {
      const visitor = await Visitor.open(browser, server.origin, { colorScheme, viewport, reducedMotion: 'reduce' });
      await visitor.run('Create');
      await visitor.run('Delete');
      await visitor.lock();
      await check(visitor, 'the page', 'html');
      for (const panel of panels) {
        const opened = await visitor.panel(panel);
        if (panel === 'Request') await opened.getByRole('button', { name: 'Sign' }).click();
        if (panel === 'Request') await opened.getByRole('button', { name: 'Make the link' }).click();
        if (panel === 'Locks') await opened.getByText('token 1').waitFor();
        if (panel === 'Identity') await opened.getByRole('button', { name: 'Export' }).first().click();
        if (panel === 'Identity') await opened.getByRole('button', { name: 'Import' }).last().click();
        await check(visitor, panel, '.panels');
      }
      await visitor.leave();
    });
  }
}

/** What axe finds wrong with a part of the page as it is, and whether it is wider than its window. */
async function check(visitor: Visitor, what: string, part: string): Promise<void> {
  const { violations } = await visitor.page.evaluate<AxeResult>(`${axe}; axe.run('${part}')`);
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' | ')}`);
  assert.deepEqual(found, [], what);
  await visitor.fits(what);
}

interface AxeResult {
  violations: { id: string; nodes: { html: string }[] }[];
}

test('every control of the page can be pressed', async () => {
  const visitor = await Visitor.open(browser, server.origin, { permissions: ['clipboard-read', 'clipboard-write'] });
  const pressed = new Set<string>();
  await visitor.run('Create');
  for (const panel of panels) {
    await visitor.panel(panel);
    await pressAll(visitor, pressed);
  }
  for (const name of ['New tab', 'Run', 'Sign anew', 'Export', 'Forget it and make a new one', 'Save and reload', 'Dark', 'Restore the examples', 'Copy Base text']) {
    assert.ok([...pressed].some((label) => label.includes(name)), `${name} was not pressed, but ${[...pressed].join(', ')}`);
  }
  await visitor.leave();
});

/** Presses each control that shows, and those that show up by it. */
async function pressAll(visitor: Visitor, pressed: Set<string>): Promise<void> {
  const { page } = visitor;
  for (;;) {
    const labels = await page.evaluate(labelControls);
    const next = labels.find((label) => !pressed.has(label));
    if (next === undefined) return;
    const reloaded = next.includes('reload') ? page.waitForEvent('load') : null;
    reloaded?.catch(() => {}); // of a control that went away
    if (!(await press(page, next))) continue;
    pressed.add(next);
    await reloaded;
    await visitor.settle();
  }
}

/** Presses a control. False if it went away before that, as the question does that was answered meanwhile. */
async function press(page: Page, label: string): Promise<boolean> {
  const control = page.locator(`[data-test-label="${label}"]`).first();
  try {
    await control.click({ timeout: 10_000 });
  } catch {
    if (!(await control.isVisible())) return false;
    await control.click(); // it takes longer on a busy machine
  }
  return true;
}

/** Names all controls that show, but those that are another panel's tab. */
function labelControls(): string[] {
  const controls = document.querySelectorAll<HTMLElement>('button:not(:disabled):not(.panels-tabs button), input, summary, select, textarea:not(.monaco-editor *)');
  return [...controls]
    .filter((control) => control.checkVisibility() && control.getBoundingClientRect().height > 0)
    .map((control) => {
      const card = control.closest('[data-person]')?.getAttribute('data-person') ?? '';
      const name = control.getAttribute('aria-label') ?? control.textContent?.trim() ?? '';
      control.dataset['testLabel'] = `${card} ${control.tagName} ${name || control.id}`.replace(/["\\]/g, '');
      return control.dataset['testLabel'];
    });
}

test('an editor that goes away amid its work is no error, and a true one is still told of', async () => {
  const visitor = await Visitor.open(browser, server.origin, { expected: /lost promise/ });
  const told = visitor.page.waitForEvent('pageerror', ({ message }) => message === 'lost promise');
  await visitor.page.evaluate(() => {
    const { __MONACO: monaco } = globalThis as unknown as { __MONACO: MonacoEditors };
    const [editor] = monaco.editor.getEditors();
    editor!.setPosition({ lineNumber: 1, column: 2 }); // marks other uses of the word there a little later
    editor!.dispose();
    void Promise.reject(new Error('lost promise'));
  });
  await told;
  await visitor.leave();
});

interface MonacoEditors {
  editor: { getEditors(): { setPosition(position: { lineNumber: number; column: number }): void; dispose(): void }[] };
}

test('all of it by keyboard', async () => {
  const visitor = await Visitor.open(browser, server.origin);
  const { page } = visitor;
  const tabTo = async (selector: string) => {
    for (let presses = 0; presses < 60; presses++) {
      await page.keyboard.press('Tab');
      if (await page.evaluate((wanted) => document.activeElement?.matches(wanted), selector)) return;
    }
    assert.fail(`${selector} is not reached by Tab`);
  };
  await tabTo('.skip');
  await page.getByRole('link', { name: 'Skip to the content' }).waitFor();
  await tabTo('.device input');
  await page.keyboard.press('ArrowRight');
  await until(() => page.getByRole('radio', { name: 'First user, Phone' }).isChecked());
  await tabTo('.themes input');
  await tabTo('.steps [role=tab]');
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowLeft');
  await tabTo('.pane-query .graphiql-editor');
  await page.keyboard.press('Enter');
  await until(() => page.evaluate(() => document.activeElement!.matches('.pane-query textarea')));
  await tabTo('.pane-variables .graphiql-editor'); // an editor keeps nobody
  await tabTo('.run button');
  const answered = page.waitForResponse((response) => response.url().endsWith('/graphql'));
  await page.keyboard.press('Enter');
  await answered;
  await until(async () => (await page.locator('.answer-in-words').innerText()) === 'SUCCESS, revision 1');
  assertHas(JSON.parse(await visitor.answer()), { data: { setRecord: { record: { id: 'note-1' } } } });
  await tabTo('.panels-tabs [role=tab]');
  await page.keyboard.press('End');
  await until(() => page.evaluate(() => document.activeElement!.textContent === 'Docs'));
  await page.keyboard.press('Home');
  await until(async () => (await visitor.events())[0]!.includes('revision 1'));
  await tabTo('.panel .actions button:last-child');
  await page.keyboard.press('Enter');
  await page.getByText('Nothing yet').waitFor();
  await visitor.leave();
});
