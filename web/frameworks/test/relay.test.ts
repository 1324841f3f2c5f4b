import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import type { Browser } from 'playwright-core';
import { bundle, launchChromium, Server, Site, until } from 'syncline-testing';

import { makeApp } from './guide.js';

let server: Server;
let browser: Browser;
before(async () => {
  [server, browser] = await Promise.all([Server.start(), launchChromium()]);
});
after(() => Promise.all([browser.close(), server.stop()]));

const artifact = (name: string) => readFileSync(fileURLToPath(new URL(`../artifacts/${name}.ts`, import.meta.url)), 'utf8');

const PAGE = `
import { commitMutation, createOperationDescriptor, fetchQuery, requestSubscription } from 'relay-runtime';
import both from './artifacts/both';
import events from './artifacts/events';
import one from './artifacts/one';
import write from './artifacts/write';
import { environment } from './src/relay';
import { session } from './src/session';

globalThis.relay = {
  user: session.identity.publicKey,
  events: [],
  follow: () => requestSubscription(environment, {
    subscription: events,
    variables: {},
    onNext: ({ recordChanged }) => globalThis.relay.events.push(recordChanged.kind + ' ' + recordChanged.record?.id),
    onError: ({ message }) => globalThis.relay.events.push(message),
  }),
  elsewhere: () => import('./src/fetch'),
  known(id) {
    const operation = createOperationDescriptor(one, { id });
    return environment.check(operation).status === 'available' ? environment.lookup(operation.fragment).data : null;
  },
  both: (id) => fetchQuery(environment, both, { id }).toPromise(),
  write: (id, data, revision) => new Promise((resolve, reject) =>
    commitMutation(environment, { mutation: write, variables: { input: { id, data, revision } }, onCompleted: resolve, onError: reject })),
  ids: () => environment.getStore().getSource().getRecordIDs(),
};
`;

interface Relay {
  user: string;
  events: string[];
  follow(): unknown;
  elsewhere(): Promise<unknown>;
  known(id: string): { record: { id: string; revision: number } } | null;
  both(id: string): Promise<{ viewer: { id: string; head: number }; record: { id: string; revision: number } }>;
  write(id: string, data: string, revision: number): Promise<{ setRecord: { status: string } }>;
  ids(): string[];
}
declare const relay: Relay;

test('Chromium: Relay’s store of the guide takes records from events, and keeps them apart from what is its own', async (t) => {
  const artifacts = Object.fromEntries(['both', 'events', 'one', 'write'].map((name) => [`artifacts/${name}.ts`, artifact(name)]));
  const app = makeApp('relay', server.origin, ['src/relay.ts', 'src/session.ts', 'src/fetch.ts'], {
    ...artifacts,
    'page.ts': PAGE,
    'tsconfig.json': '{}',
  });
  const site = await Site.ofScript(await bundle(join(app, 'page.ts')));
  t.after(() => site.stop());
  const page = await browser.newPage();
  const troubles: string[] = [];
  page.on('console', (message) => message.type() !== 'log' && troubles.push(message.text()));
  page.on('pageerror', ({ message }) => troubles.push(message));
  await page.goto(site.origin());
  await until(() => page.evaluate(() => 'relay' in globalThis));

  await page.evaluate(() => void relay.follow());
  await until(() => page.evaluate(() => relay.events.includes('CAUGHT_UP undefined')));
  assert.equal(await page.evaluate(() => relay.known('greeting')), null);
  await page.evaluate(() => relay.elsewhere());
  await until(() => page.evaluate(() => relay.events.includes('CHANGED greeting')));
  assert.equal((await page.evaluate(() => relay.known('greeting')))?.record.revision, 1, 'no query asked for it');

  assert.equal((await page.evaluate(() => relay.write('greeting', 'aGk=', 1))).setRecord.status, 'SUCCESS');
  assert.equal((await page.evaluate(() => relay.known('greeting')))?.record.revision, 2);

  const root = 'client:root'; // what Relay calls the root of its store, and a good id of a record
  await page.evaluate((id) => relay.write(id, '', 0), root);
  const user = await page.evaluate(() => relay.user);
  const { viewer, record } = await page.evaluate((id) => relay.both(id), root);
  assert.deepEqual([viewer, record], [{ id: user, head: 3 }, { id: root, revision: 3 }]);
  const ids = await page.evaluate(() => relay.ids());
  for (const id of ['Record:greeting', `Record:${root}`, `Viewer:${user}`]) assert.ok(ids.includes(id), `${id} is not among ${ids.join()}`);
  assert.deepEqual(troubles, []);
  await page.close();
});
