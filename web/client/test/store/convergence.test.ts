import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import type { Storage } from '@syncline/client/store';
import { Server } from 'syncline-testing';

import { converge } from './convergence.js';
import type { Broken } from './convergence.js';

let server: Server;
before(async () => (server = await Server.start()));
after(() => server.stop());

/** `make verify` takes three minutes for them, and a quarter of an hour if it may take long. */
const ROUNDS = process.env['SYNCLINE_LONG'] ? 1000 : process.env['SYNCLINE_VERIFY'] ? 200 : 3;
const STEPS = 40;

test(`${ROUNDS} rounds of devices with tabs that are killed at any step end with what the server has, and with every write`, async (t) => {
  let [operations, killed, imported, handedBack] = [0, 0, 0, 0];
  for (let seed = 0; seed < ROUNDS; seed++) {
    const outcome = await converge(server, seed, STEPS);
    assert.deepEqual(outcome.wrong, [], `seed ${seed}`);
    operations += outcome.operations;
    killed += outcome.killed;
    imported += outcome.imported;
    handedBack += outcome.handedBack;
  }
  t.diagnostic(`${operations} operations, ${killed} tabs killed, ${imported} files imported, ${handedBack} values set aside by erasures`);
  assert.ok(killed > ROUNDS);
});

interface Meta {
  cursor: string | null;
}

let moved = 0;

const BROKEN: Record<string, Broken> = {
  'moves its cursor before it applies a page': {
    bend: (storage, kill) => ({
      ...storage,
      async transact(mode, work) {
        const old = (await storage.transact('read', (t) => t.get('meta', 'meta'))) as Meta | undefined;
        if (mode !== 'write' || !old) return storage.transact(mode, work);
        let next: Meta | undefined;
        const undone = new Error('only to see what it would do');
        await storage
          .transact(mode, async (t) => {
            await work({ ...t, put: (table, key, value) => (table === 'meta' ? void (next = value as Meta) : t.put(table, key, value)) });
            throw undone;
          })
          .catch((error) => {
            if (error !== undone) throw error;
          });
        if (!next || next.cursor === old.cursor) return storage.transact(mode, work);
        const { cursor } = next;
        await storage.transact(mode, async (t) => t.put('meta', 'meta', { ...((await t.get('meta', 'meta')) as Meta), cursor }));
        if (++moved % 3 === 0) kill(); // at the worst moment
        return storage.transact(mode, async (t) => {
          const now = (await t.get('meta', 'meta')) as Meta;
          return work({ ...t, get: async (table, key) => (table === 'meta' ? { ...now, cursor: old.cursor } : t.get(table, key)) });
        });
      },
    }),
  },
  'forgets the base value': {
    bend: (storage) => forget(storage),
  },
  'sends from two tabs': { locks: { request: (_, { signal }, hold) => (signal?.aborted ? Promise.reject(signal.reason) : hold()) } },
};

function forget(storage: Storage): Storage {
  return {
    ...storage,
    transact: (mode, work) =>
      storage.transact(mode, (t) =>
        work({
          ...t,
          put(table, key, value) {
            const { base } = value as { base?: object | null };
            t.put(table, key, table === 'records' && base ? { ...(value as object), base: { ...base, data: null } } : value);
          },
        }),
      ),
  };
}

for (const [what, broken] of Object.entries(BROKEN)) {
  test(`a store that ${what} is caught`, async () => {
    let caught = 0;
    for (let seed = 0; seed < 20 && !caught; seed++) caught = (await converge(server, seed, STEPS, { rounds: 60, ...broken })).wrong.length;
    assert.ok(caught > 0);
  });
}
