import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Identity } from '@syncline/client';
import type { Browser } from 'playwright-core';
import { launchChromium, Server, until } from 'syncline-testing';

import { assertHas } from './has.js';
import { Visitor } from './visitor.js';

let server: Server;
let browser: Browser;
before(async () => {
  [server, browser] = await Promise.all([Server.start(), launchChromium()]);
});
after(() => Promise.all([browser.close(), server.stop()]));

test('a reload keeps both identities and their data', async () => {
  const visitor = await Visitor.open(browser, server.origin);
  await visitor.run('Create');
  const before = [await visitor.publicKey('First user'), await visitor.publicKey('Second user')];
  assert.notEqual(before[0], before[1]);
  await visitor.reload();
  assert.deepEqual([await visitor.publicKey('First user'), await visitor.publicKey('Second user')], before);
  await visitor.panel('Feed');
  await until(async () => (await visitor.events()).some((event) => event.includes('note-1')));
  await visitor.leave();
});

test('a key is exported in one browser and imported in another, and the data is there', async () => {
  const here = await Visitor.open(browser, server.origin);
  await here.run('Create');
  const panel = await here.panel('Identity');
  const card = panel.getByRole('region', { name: 'First user' });
  await card.getByRole('button', { name: 'Export' }).click();
  const privateKey = await card.getByRole('group', { name: 'Private key' }).innerText();
  assert.equal(Identity.fromHex(privateKey).publicKey, await here.publicKey('First user'));
  await here.leave();

  const there = await Visitor.open(browser, server.origin);
  await there.importKey(` ${privateKey.toUpperCase()}\n`);
  await until(async () => (await there.publicKey('First user')) === Identity.fromHex(privateKey).publicKey);
  await there.panel('Feed');
  await until(async () => (await there.events()).some((event) => event.includes('note-1')));
  assertHas((await there.run('Update')).data!['setRecord'], { status: 'SUCCESS', newRevision: 2 });
  await there.leave();
});

test('what is no private key is not imported, and the page says what to do', async () => {
  const visitor = await Visitor.open(browser, server.origin);
  const before = await visitor.publicKey('First user');
  for (const [text, advice] of [
    ['', 'is 32 bytes'],
    ['hello', '64 hexadecimal characters'],
    ['0'.repeat(64), 'exactly as it was exported'],
    ['f'.repeat(64), 'exactly as it was exported'],
    ['ab'.repeat(31), 'is 32 bytes'],
    [before, 'This is a public key'],
  ] as const) {
    await visitor.importKey(text);
    const alert = visitor.page.getByRole('tabpanel', { name: 'Identity' }).getByRole('alert');
    await until(async () => (await alert.innerText()).includes(advice));
    await until(async () => (await visitor.page.getByRole('textbox', { name: 'Private key' }).getAttribute('aria-invalid')) === 'true');
  }
  assert.equal(await visitor.publicKey('First user'), before);
  await visitor.leave();
});

test('a new identity sees nothing of the one before', async () => {
  const visitor = await Visitor.open(browser, server.origin);
  await visitor.run('Create');
  const before = await visitor.publicKey('First user');
  const panel = await visitor.panel('Identity');
  const card = panel.getByRole('region', { name: 'First user' });
  await card.getByRole('button', { name: 'Make new' }).click();
  await card.getByRole('button', { name: 'Keep it' }).click();
  assert.equal(await visitor.publicKey('First user'), before);
  await card.getByRole('button', { name: 'Make new' }).click();
  await card.getByRole('button', { name: 'Forget it' }).click();
  await until(async () => (await visitor.publicKey('First user')) !== before);
  await visitor.panel('Feed');
  await until(async () => (await visitor.events()).join() === 'CAUGHT_UP · live from here');
  assertHas((await visitor.run('Create')).data!['setRecord'], { status: 'SUCCESS', newRevision: 1 });
  await visitor.leave();
});

test('another tab goes along with a new key, and says so', async () => {
  const visitor = await Visitor.open(browser, server.origin);
  const other = await visitor.openTab();
  const card = (await visitor.panel('Identity')).getByRole('region', { name: 'First user' });
  await card.getByRole('button', { name: 'Make new' }).click();
  await card.getByRole('button', { name: 'Forget it' }).click();
  await other.page.getByText('First user is another user now').waitFor();
  const publicKey = await other.publicKey('First user');
  await until(async () => (await visitor.publicKey('First user')) === publicKey);
  assertHas((await other.run('Create')).data!['setRecord'], { status: 'SUCCESS', newRevision: 1 });
  await visitor.panel('Feed');
  await until(async () => (await visitor.events())[0]!.includes('revision 1'));
  await other.page.getByRole('button', { name: 'Dismiss' }).click();
  await visitor.leave();
});

test('tabs keep operations of their own, and an import warns of the key that is forgotten', async () => {
  const visitor = await Visitor.open(browser, server.origin);
  const other = await visitor.openTab();
  await visitor.write('query Alpha { viewer { id } }');
  await other.write('query Beta { viewer { head } }');
  const kept = (name: string) => new Function(`return (sessionStorage.getItem('graphiql:tabState') ?? '').includes('${name}')`) as () => boolean;
  for (const [tab, name] of [[visitor, 'Alpha'], [other, 'Beta']] as const) await until(() => tab.page.evaluate(kept(name)));
  for (const [tab, name] of [[visitor, 'Alpha'], [other, 'Beta']] as const) {
    await tab.reload();
    const operations = tab.page.getByRole('tablist', { name: 'Operations' });
    await operations.getByRole('tab', { name }).waitFor();
    assert.equal(await operations.getByRole('tab', { name: name === 'Alpha' ? 'Beta' : 'Alpha' }).count(), 0);
  }
  const card = (await visitor.panel('Identity')).getByRole('region', { name: 'First user' });
  await card.getByRole('button', { name: 'Import' }).click();
  await card.getByText('The present key is forgotten').waitFor();
  await visitor.leave();
});
