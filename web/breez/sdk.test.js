import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { freePort, launchChromium, listen, Server, until } from 'syncline-testing';

/** What browsers are to load of the published package, as it is. */
const published = new URL('node_modules/@breeztech/breez-sdk-spark/web/', import.meta.url);
const types = { '.js': 'text/javascript', '.wasm': 'application/wasm' };

let server;
let browser;
let site;
let origin;
let closed;
before(async () => {
  [server, browser] = await Promise.all([Server.start({ BREEZ_COMPATIBILITY: 'true' }), launchChromium()]);
  closed = `http://127.0.0.1:${await freePort()}`;
  site = createServer(async (request, response) => {
    const path = new URL(request.url, 'http://site').pathname;
    if (path === '/') return response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><link rel="icon" href="data:,">');
    const body = await readFile(fileURLToPath(new URL(`.${path}`, published))).catch(() => undefined);
    if (!body) return response.writeHead(404).end();
    response.writeHead(200, { 'content-type': types[extname(path)] ?? 'text/plain' }).end(body);
  });
  origin = `http://127.0.0.1:${await listen(site)}`;
});
after(async () => {
  await browser.close();
  site.closeAllConnections();
  site.close();
  await server.stop();
});

/** A wallet in a browser profile of its own, once it has pulled for the first time. */
async function device(name) {
  const page = await (await browser.newContext()).newPage();
  const lines = [];
  page.on('console', (message) => lines.push(message.text()));
  await page.goto(origin);
  await page.evaluate(
    async ({ name, sync, closed }) => {
      const sdk = await import('/index.js');
      await sdk.default();
      await sdk.initLogging({ log: ({ line }) => console.log(line) });
      const keys = ['03dfbdff4b6332c220f8fa2ba8ed496c698ceada563fa01b67d9983bfc5c95e763', '03e625e9768651c9be268e287245cc33f96a68ce9141b0b4769205db027ee8ed77', '022eda13465a59205413086130a65dc0ed1b8f8e51937043161f8be0c369b1a410'];
      const identifier = (i) => String(i + 1).padStart(64, '0');
      const config = {
        ...sdk.defaultConfig('regtest'),
        realTimeSyncServerUrl: sync,
        sparkConfig: {
          coordinatorIdentifier: identifier(0),
          threshold: 2,
          signingOperators: keys.map((identityPublicKey, id) => ({ id, identifier: identifier(id), address: closed, identityPublicKey })),
          sspConfig: { baseUrl: closed, identityPublicKey: keys[0] },
          expectedWithdrawBondSats: 10_000,
          expectedWithdrawRelativeBlockLocktime: 1_000,
        },
      };
      const mnemonic = `${'abandon '.repeat(11)}about`;
      const builder = await sdk.SdkBuilder.new(config, { type: 'mnemonic', mnemonic }).withDefaultStorage(`./${name}`);
      globalThis.wallet = await builder.withRestChainService(closed, 'esplora').build();
    },
    { name, sync: server.origin, closed },
  );
  await until(() => lines.some((line) => line.includes('real-time sync completed')));
  return {
    add: (contact) => page.evaluate((c) => globalThis.wallet.addContact(c), contact),
    rename: (contact) => page.evaluate((c) => globalThis.wallet.updateContact(c), contact),
    names: () => page.evaluate(async () => (await globalThis.wallet.listContacts({})).map((c) => c.name).sort()),
  };
}

test('Chromium: two devices of a seed, with the SDK as published, see each other’s contacts', async () => {
  const [one, two] = await Promise.all([device('one'), device('two')]);
  const sees = (wallet, ...names) => until(async () => assert.deepEqual(await wallet.names(), names) === undefined);
  await one.add({ name: 'Alice', paymentIdentifier: 'alice@example.com' });
  await sees(two, 'Alice');
  const bob = await two.add({ name: 'Bob', paymentIdentifier: 'bob@example.com' });
  await sees(one, 'Alice', 'Bob');
  await two.rename({ id: bob.id, name: 'Robert', paymentIdentifier: 'bob@example.com' });
  await sees(one, 'Alice', 'Robert');
  const three = await device('three'); // one that comes later gets all of it
  await sees(three, 'Alice', 'Robert');
});
