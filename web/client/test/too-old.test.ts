import assert from 'node:assert/strict';
import { mock, test } from 'node:test';

import { Identity, newNonce, Session, signedFetch } from '@syncline/client';

const ENDPOINT = 'http://localhost:1/graphql';
const DAY = 24 * 3_600_000;

/** Sends a request whose first copy is lost; before the second, a machine sleeps. Answers how often it was sent. */
async function send(slept: number, query: string, variables: unknown): Promise<{ copies: number; code?: string }> {
  let copies = 0;
  let now = Date.now();
  mock.method(Date, 'now', () => now);
  try {
    const signed = signedFetch(new Session({ url: ENDPOINT, identity: Identity.create() }), {
      fetch: () => {
        copies++;
        if (copies > 1) return Promise.resolve(Response.json({ data: {} }));
        now += slept;
        return Promise.reject(new TypeError('the connection was cut'));
      },
    });
    const body = JSON.stringify({ query, variables });
    try {
      await signed(ENDPOINT, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
      return { copies };
    } catch (error) {
      return { copies, code: (error as { code: string }).code };
    }
  } finally {
    mock.restoreAll();
  }
}

const WRITES: [name: string, query: string, variables: unknown][] = [
  ['setRecord', 'mutation ($input: SetRecordInput!) { setRecord(input: $input) { status } }', { input: { id: 'a', data: '', mutationId: newNonce() } }],
  ['eraseAccount', 'mutation ($input: EraseAccountInput!) { eraseAccount(input: $input) { cursor } }', { input: { owner: 'a', mutationId: newNonce() } }],
];

for (const [name, query, variables] of WRITES) {
  test(`${name}: a copy is sent again for a day, then its mutation id may be forgotten`, async () => {
    assert.deepEqual(await send(DAY - 3_600_000, query, variables), { copies: 2 });
    assert.deepEqual(await send(DAY, query, variables), { copies: 1, code: 'TOO_OLD_TO_RETRY' });
  });
}

test('eraseAccount without mutation id is not sent again', async () => {
  const query = 'mutation ($input: EraseAccountInput!) { eraseAccount(input: $input) { cursor } }';
  assert.deepEqual(await send(0, query, { input: { owner: 'a' } }), { copies: 1, code: 'UNREACHABLE' });
});

test('a read is sent again however old it is', async () => {
  assert.deepEqual(await send(10 * DAY, '{ viewer { id } }', {}), { copies: 2 });
});
