import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

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

const notices = (visitor: Visitor) => visitor.page.getByRole('region', { name: 'Notices' });

async function isTold(visitor: Visitor, ...parts: string[]): Promise<void> {
  await until(async () => {
    const text = await notices(visitor).innerText();
    return parts.every((part) => text.includes(part));
  });
}

test('storage that is blocked: a passing identity, and a word of what to do', async () => {
  const visitor = await Visitor.open(browser, server.origin, {
    before: () => {
      const refuse = () => {
        throw new DOMException('blocked', 'SecurityError');
      };
      IDBFactory.prototype.open = refuse;
      Object.defineProperty(window, 'localStorage', { get: refuse });
    },
  });
  await isTold(visitor, 'First user: This browser does not keep your key', 'leave private browsing', 'export the key');
  assertHas((await visitor.run('Create')).data!['setRecord'], { status: 'SUCCESS' });
  const panel = await visitor.panel('Identity');
  await panel.getByText('lasts until the page is closed').first().waitFor();
  await visitor.leave();
});

test('storage that is full: a passing identity, and a word of what to do', async () => {
  const visitor = await Visitor.open(browser, server.origin, {
    before: () => {
      IDBObjectStore.prototype.add = () => {
        throw new DOMException('full', 'QuotaExceededError');
      };
    },
  });
  await isTold(visitor, 'no room for your key', 'Free some disk space');
  assertHas((await visitor.run('Create')).data!['setRecord'], { status: 'SUCCESS' });
  await visitor.leave();
});

test('a stored key that cannot be read is not replaced until the user says so', async () => {
  const visitor = await Visitor.open(browser, server.origin);
  await visitor.page.evaluate(damage);
  await visitor.reload();
  await isTold(visitor, 'The key kept in this browser cannot be read', 'Import the key from your copy');
  await visitor.reload();
  await isTold(visitor, 'The key kept in this browser cannot be read');
  const panel = await visitor.panel('Identity');
  const card = panel.getByRole('region', { name: 'First user' });
  await card.getByRole('button', { name: 'Make new' }).click();
  await card.getByRole('button', { name: 'Forget it' }).click();
  await until(async () => (await notices(visitor).innerText()) === '');
  const publicKey = await visitor.publicKey('First user');
  await visitor.reload();
  assert.equal(await visitor.publicKey('First user'), publicKey);
  await visitor.leave();
});

/** Overwrites the first user's stored key, as a half-written profile may have it. */
async function damage(): Promise<void> {
  const done = <T>(request: IDBRequest<T>) => new Promise<T>((resolve) => (request.onsuccess = () => resolve(request.result)));
  const database = await done(indexedDB.open('syncline'));
  const transaction = database.transaction('identities', 'readwrite');
  transaction.objectStore('identities').put({ plain: new Uint8Array(32) }, 'playground: First user');
  await new Promise((resolve) => (transaction.oncomplete = resolve)); // a reload undoes what is not kept yet
  database.close();
}

for (const [hours, word] of [
  [5, 'ahead of'],
  [-5, 'behind'],
] as const) {
  test(`a clock ${hours} hours off: all works, and the page says so`, async () => {
    const visitor = await Visitor.open(browser, server.origin, {
      before: new Function(`const now = Date.now; Date.now = () => now() + ${hours} * 3600_000;`) as () => void,
      expected: /console: Failed to load resource.*401/, // the first request, by which the clock is corrected
    });
    await isTold(visitor, `This device’s clock is 5 hours ${word} the server’s`, 'set the clock');
    assertHas((await visitor.run('Create')).data!['setRecord'], { status: 'SUCCESS' });
    await until(async () => (await visitor.events())[0]!.includes('revision 1'));
    await notices(visitor).getByRole('button', { name: 'Dismiss' }).click();
    await until(async () => (await notices(visitor).innerText()) === '');
    await visitor.leave();
  });
}

test('a server that is killed and comes back', async (t) => {
  const own = await Server.start();
  t.after(() => own.stop());
  // 401: a server refuses what was signed in the second before its start; the client signs anew.
  const expected = /ERR_(CONNECTION_REFUSED|EMPTY_RESPONSE|CONNECTION_RESET)|WebSocket|401/;
  const visitor = await Visitor.open(browser, own.origin, { expected, filesFrom: server.origin });
  await visitor.run('Create');
  await own.kill();
  await visitor.page.getByText('Offline: trying to connect again').waitFor();
  await visitor.example('Update');
  await visitor.page.getByRole('button', { name: 'Run' }).click();
  await until(async () => (await visitor.answer()).includes('UNREACHABLE'));
  await own.start();
  await until(() => visitor.page.getByText('Live: changes').isVisible()); // after a pause that grew while it was away
  assertHas((await visitor.run('Update')).data!['setRecord'], { status: 'SUCCESS', newRevision: 2 });
  await until(async () => (await visitor.events())[0]!.includes('revision 2'));
  await visitor.leave();
});

test('a server that cannot be reached at first', async () => {
  const visitor = await Visitor.open(browser, server.origin, { before: unreachable, expected: /WebSocket/ });
  await isTold(visitor, 'The server cannot be reached', 'Check that it runs');
  await visitor.page.evaluate(() => delete (globalThis as { unreachable?: boolean }).unreachable);
  await notices(visitor).getByRole('button', { name: 'Try again' }).click();
  await until(async () => (await notices(visitor).innerText()) === '');
  await visitor.leave();
});

/** Lets requests fail as they do without a network, until told otherwise, and sockets for ever. */
function unreachable(): void {
  const page = globalThis as { unreachable?: boolean };
  page.unreachable = true;
  const send = fetch;
  globalThis.fetch = (input, init) => (page.unreachable ? Promise.reject(new TypeError('Failed to fetch')) : send(input, init));
  globalThis.WebSocket = class extends WebSocket {
    constructor() {
      super(`ws://${location.host}/nowhere`);
    }
  };
}

test('something else that answers in place of Syncline', async () => {
  const visitor = await Visitor.open(browser, server.origin, {
    before: () => {
      globalThis.fetch = () => Promise.resolve(new Response('<h1>Welcome</h1>', { headers: { 'content-type': 'text/html' } }));
    },
  });
  await isTold(visitor, 'This is not Syncline that answers', 'check the URL', 'text/html');
  await visitor.leave();
});

test('a name under which the server does not serve, on a page without WebCrypto', async () => {
  const origin = `http://playground.test:${server.port}`;
  const visitor = await Visitor.open(browser, origin, { expected: /401|WebSocket/ });
  await isTold(visitor, 'The server refuses this signature', 'PUBLIC_AUTHORITIES');
  await visitor.page.getByRole('tabpanel', { name: 'Feed' }).getByRole('alert').waitFor();
  await visitor.leave();
});

test('a name under which the server serves, on a page without WebCrypto', async (t) => {
  const own = await Server.start({ PUBLIC_AUTHORITIES: 'playground.test', ALLOWED_ORIGINS: 'https://elsewhere.test' });
  const other = await launchChromium([`--host-resolver-rules=MAP playground.test 127.0.0.1:${own.port}`]);
  t.after(() => Promise.all([own.stop(), other.close()]));
  const visitor = await Visitor.open(other, 'http://playground.test');
  assertHas((await visitor.run('Create')).data!['setRecord'], { status: 'SUCCESS' });
  const publicKey = await visitor.publicKey('First user');
  await visitor.reload();
  assert.equal(await visitor.publicKey('First user'), publicKey);
  await visitor.leave();
});

test('a subscription that the server refuses shows its errors as a query does', async () => {
  const visitor = await Visitor.open(browser, server.origin);
  await visitor.write('subscription Refused { recordChanged(since: "nonsense") { kind } }');
  await visitor.page.getByRole('button', { name: 'Run' }).click();
  await until(async () => (await visitor.answer()).includes('BAD_USER_INPUT'));
  assert.match(await visitor.answer(), /"message": "(?!\[object)[^"]*since|"message": "[^"]*cursor/);
  await visitor.leave();
});
