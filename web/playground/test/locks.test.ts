import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import type { Browser, Locator } from 'playwright-core';
import { launchChromium, Server, until } from 'syncline-testing';

import { assertHas } from './has.js';
import { Visitor } from './visitor.js';

let server: Server;
let browser: Browser;
before(async () => {
  [server, browser] = await Promise.all([Server.start(), launchChromium()]);
});
after(() => Promise.all([browser.close(), server.stop()]));

const secondsLeft = async (panel: Locator) => Number(/(\d+) s left/.exec(await panel.innerText())?.[1]);

for (const [name, viewport] of Object.entries({ desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } })) {
  test(`${name}: a lock that was taken shows its holder and the time left, live, until another device releases it`, async () => {
    const visitor = await Visitor.open(browser, server.origin, { viewport });
    await (await visitor.panel('Locks')).getByText('No lock is known yet').waitFor();
    if (name === 'phone') await visitor.panel('Operation');
    assertHas((await visitor.lock()).data!['setLock'], { status: 'ACQUIRED', token: 1 });
    const panel = await visitor.panel('Locks');
    const lock = panel.getByRole('listitem').filter({ hasText: 'import' });
    await lock.getByText('exclusive').waitFor();
    await lock.getByText('This device').waitFor();
    await lock.getByText('token 1').waitFor();
    const first = await secondsLeft(panel);
    assert.ok(first > 0 && first <= 300, `${first} seconds`);
    await until(async () => (await secondsLeft(panel)) < first);

    await visitor.actAs('First user, Phone');
    await lock.getByText('Laptop').waitFor();
    await lock.getByRole('button', { name: 'Release, held by Laptop' }).click();
    await lock.getByText('free').waitFor();
    await lock.getByRole('list').waitFor({ state: 'detached' });

    await visitor.actAs('Second user, Tablet');
    await panel.getByText('No lock is known yet').waitFor();
    await visitor.leave();
  });
}

test('a lock is watched by its name, also after a reload, and what the server refuses is told', async () => {
  const visitor = await Visitor.open(browser, server.origin);
  const panel = await visitor.panel('Locks');
  const field = panel.getByRole('textbox', { name: 'Name of a lock' });
  await field.fill('backup');
  await panel.getByRole('button', { name: 'Watch', exact: true }).click();
  await panel.getByText('free').waitFor();
  await field.fill('x'.repeat(257));
  await field.press('Enter');
  await panel.getByRole('alert').getByText('BAD_USER_INPUT').waitFor();

  const take = (seconds: number) =>
    `mutation { setLock(input: { name: "backup", instanceId: "elsewhere", exclusive: false, ttlSeconds: ${seconds} }) { status } }`;
  await visitor.write(take(300));
  await visitor.press();
  await panel.getByText('shared').waitFor();
  await panel.getByText('elsewhere').waitFor();
  await visitor.write(take(1));
  await visitor.press();
  await panel.getByText('free').waitFor(); // a second later

  await visitor.reload();
  await visitor.panel('Locks');
  await panel.getByText('backup').waitFor();
  await panel.getByRole('button', { name: 'Remove backup' }).click();
  await panel.getByText('backup').waitFor({ state: 'detached' });
  await visitor.leave();
});

test('another identity knows nothing of the locks before', async () => {
  const visitor = await Visitor.open(browser, server.origin);
  await visitor.lock();
  const panel = await visitor.panel('Locks');
  await panel.getByText('exclusive').waitFor();
  const card = (await visitor.panel('Identity')).getByRole('region', { name: 'First user' });
  await card.getByRole('button', { name: 'Make new' }).click();
  await card.getByRole('button', { name: 'Forget it' }).click();
  await visitor.panel('Locks');
  await panel.getByText('No lock is known yet').waitFor();
  await visitor.reload();
  await visitor.panel('Locks');
  await panel.getByText('No lock is known yet').waitFor();
  await visitor.leave();
});
