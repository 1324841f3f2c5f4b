import { after, before, test } from 'node:test';

import type { Browser } from 'playwright-core';
import { launchChromium, Server, until } from 'syncline-testing';

import { assertHas } from './has.js';
import { Visitor } from './visitor.js';

const narrow = { width: 390, height: 844 };
const wide = { width: 1280, height: 800 };

let server: Server;
let browser: Browser;
before(async () => {
  [server, browser] = await Promise.all([Server.start(), launchChromium()]);
});
after(() => Promise.all([browser.close(), server.stop()]));

test('a narrow page keeps operation and answer while another panel is open', async () => {
  const visitor = await Visitor.open(browser, server.origin, { viewport: narrow });
  await visitor.run('Create');
  const [operation, answer] = [await visitor.model('operation'), await visitor.answer()];
  for (const panel of ['Feed', 'Locks', 'Request', 'History', 'Identity', 'Data', 'Docs']) {
    await visitor.panel(panel);
    await visitor.panel('Operation');
    await shows(visitor, 'setRecord');
    await until(async () => (await visitor.model('operation')) === operation && (await visitor.answer()) === answer);
  }
  assertHas((await visitor.run('Update')).data!['setRecord'], { status: 'SUCCESS', newRevision: 2 });
  await visitor.leave();
});

/** The editor of operations is there to see, with a word in it. */
async function shows({ page }: Visitor, word: string): Promise<void> {
  await page.getByRole('group', { name: 'Operation editor' }).getByText(word, { exact: true }).waitFor();
}

test('what was typed right before another panel is opened stays', async () => {
  const visitor = await Visitor.open(browser, server.origin, { viewport: narrow, before: holdBackSaving });
  await visitor.example('Create');
  await visitor.page.evaluate(() => {
    const { __MONACO: monaco } = globalThis as unknown as { __MONACO: MonacoModels };
    monaco.editor.getModels().find(({ uri }) => uri.path.includes('-operation.'))!.setValue('query Typed { viewer { id } }');
    document.getElementById('tab-Feed')!.click();
  });
  await visitor.page.getByRole('tabpanel', { name: 'Feed' }).waitFor();
  await visitor.page.evaluate(() => (globalThis as unknown as { save(): void }).save());
  await visitor.panel('Operation');
  await visitor.page.getByRole('tab', { name: 'Typed', selected: true }).waitFor();
  await until(async () => (await visitor.model('operation')) === 'query Typed { viewer { id } }');
  await visitor.leave();
});

interface MonacoModels {
  editor: { getModels(): { uri: { path: string }; setValue(text: string): void }[] };
}

/** What waits a tenth of a second, as the tabs' taking over of what was typed does, waits for save() instead. */
function holdBackSaving(): void {
  const late: (() => void)[] = [];
  const { setTimeout } = globalThis;
  Object.assign(globalThis, {
    setTimeout: (work: () => void, ms: number) => (ms === 100 ? late.push(work) : setTimeout(work, ms)),
    save: () => late.splice(0).forEach((work) => work()),
  });
}

test('a subscription goes on while another panel is open', async () => {
  const visitor = await Visitor.open(browser, server.origin, { viewport: narrow });
  await visitor.example('Subscribe');
  await visitor.page.getByRole('button', { name: 'Run' }).click();
  await until(async () => (await visitor.answer()).includes('CAUGHT_UP'));
  await visitor.panel('Feed');
  await visitor.panel('Operation');
  await visitor.page.getByRole('button', { name: 'Stop' }).click();
  await visitor.page.getByRole('button', { name: 'Run' }).waitFor();
  await visitor.leave();
});

test('data goes into the variables of the operation that a narrow page does not show', async () => {
  const visitor = await Visitor.open(browser, server.origin, { viewport: narrow });
  await visitor.example('Create');
  const data = await visitor.panel('Data');
  await data.getByRole('textbox', { name: 'Text or JSON' }).fill('hello');
  await data.getByRole('button', { name: 'Use as data' }).click();
  await data.getByText('Put into the variables.').waitFor();
  await visitor.panel('Operation');
  assertHas((await visitor.press()).data!['setRecord'], { status: 'SUCCESS', record: { data: 'aGVsbG8=' } });
  await visitor.leave();
});

test('a window that grows and shrinks keeps operation and answer', async () => {
  const visitor = await Visitor.open(browser, server.origin, { viewport: wide });
  await visitor.run('Create');
  const [operation, answer] = [await visitor.model('operation'), await visitor.answer()];
  await visitor.page.setViewportSize(narrow);
  await visitor.panel('Operation');
  await shows(visitor, 'setRecord');
  await visitor.page.setViewportSize(wide);
  await visitor.page.getByRole('tab', { name: 'Operation', exact: true }).waitFor({ state: 'detached' });
  await shows(visitor, 'setRecord');
  await until(async () => (await visitor.model('operation')) === operation && (await visitor.answer()) === answer);
  await visitor.leave();
});

test('nothing sticks out of 320 pixels, which is also what a zoom of 400 % leaves', async () => {
  const visitor = await Visitor.open(browser, server.origin, { viewport: { width: 320, height: 640 } });
  for (const panel of ['Operation', 'Feed', 'Records', 'Locks', 'Request', 'History', 'Identity', 'Data', 'Docs']) {
    await visitor.panel(panel);
    await visitor.fits(panel);
  }
  await visitor.leave();
});
