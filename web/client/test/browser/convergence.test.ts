import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { bundle, Server, Site } from 'syncline-testing';

import { convergeInChromium } from './convergence.js';

let server: Server;
let site: Site;
before(async () => {
  const script = await bundle(fileURLToPath(new URL('../../browser/pages/convergence.ts', import.meta.url)));
  [server, site] = await Promise.all([Server.start(), Site.ofScript(script)]);
});
after(() => Promise.all([server.stop(), site.stop()]));

/** A round takes a quarter of a minute. */
const ROUNDS = process.env['SYNCLINE_LONG'] ? 30 : process.env['SYNCLINE_VERIFY'] ? 4 : 1;

test(`${ROUNDS} rounds of browsers that are killed while they write end with what the server has, and with every write`, async (t) => {
  let [writes, killed, handedBack] = [0, 0, 0];
  for (let seed = 0; seed < ROUNDS; seed++) {
    const outcome = await convergeInChromium(server, site, seed);
    assert.deepEqual(outcome.wrong, [], `seed ${seed}`);
    writes += outcome.writes;
    killed += outcome.killed;
    handedBack += outcome.handedBack;
  }
  t.diagnostic(`${writes} writes, ${killed} browsers killed, ${handedBack} writes set aside by erasures`);
  assert.ok(writes > ROUNDS * 20);
});
