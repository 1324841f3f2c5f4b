import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import type { Browser } from 'playwright-core';
import { issueCertificate, launchChromium, Server, until } from 'syncline-testing';

import { assertHas } from './has.js';
import { Visitor } from './visitor.js';

const { authority, leaf } = issueCertificate();
let server: Server;
let browser: Browser;
before(async () => {
  [server, browser] = await Promise.all([Server.start({ CA_CERT: authority }), launchChromium()]);
});
after(() => Promise.all([browser.close(), server.stop()]));

test('where an API key is asked for, its certificate is pasted once, and all works from then on', async () => {
  const visitor = await Visitor.open(browser, server.origin, { expected: /403/ });
  const notices = visitor.page.getByRole('region', { name: 'Notices' });
  await notices.getByText('The server asks for an API key').waitFor();
  await notices.getByText('Paste the certificate').waitFor();
  await visitor.page.getByRole('tabpanel', { name: 'Feed' }).getByRole('alert').waitFor();
  assert.equal((await visitor.run('Create')).errors![0]!.extensions['code'], 'FORBIDDEN');

  await paste(visitor, 'no certificate');
  await notices.getByText('The server asks for an API key').waitFor();
  await paste(visitor, leaf.replace(/.{1,76}/g, '$&\n')); // in lines, as the tool base64 writes it
  await until(async () => (await notices.innerText()) === '');
  assertHas((await visitor.run('Create')).data!['setRecord'], { status: 'SUCCESS', newRevision: 1 });
  await until(async () => (await visitor.events())[0]!.includes('revision 1'));

  await visitor.reload();
  await until(async () => (await notices.innerText()) === '');
  assertHas((await visitor.run('Update')).data!['setRecord'], { status: 'SUCCESS', newRevision: 2 });
  await visitor.leave();
});

async function paste(visitor: Visitor, certificate: string): Promise<void> {
  const panel = await visitor.panel('Identity');
  await panel.getByText('API key', { exact: true }).click();
  await panel.getByRole('textbox', { name: 'Certificate' }).fill(certificate);
  const reloaded = visitor.page.waitForEvent('load');
  await panel.getByRole('button', { name: 'Save and reload' }).click();
  await reloaded;
  await visitor.settle();
}
