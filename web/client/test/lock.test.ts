import assert from 'node:assert/strict';
import { after, before, mock, test } from 'node:test';

import { Identity, newNonce, Session, signedFetch, withLock } from '@syncline/client';
import type { Lease } from '@syncline/client';
import { Server } from 'syncline-testing';

import { call, SET } from './call.js';

let server: Server;
const { now } = Date; // signatures go by the real clock
before(async () => {
  server = await Server.start();
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: now() });
});
after(() => {
  mock.timers.reset();
  return server.stop();
});

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Waits while the mocked clock stands still, goes as the real one does, or runs. */
async function until(condition: () => boolean, clock: 'still' | 'going' | 'running' = 'still'): Promise<void> {
  const began = performance.now();
  let told = began;
  while (!condition()) {
    const now = performance.now();
    if (now - began > 120_000) throw new Error(`not within two minutes: ${condition}`);
    const passed = clock === 'running' ? 100 : Math.floor(now - told);
    if (clock !== 'still' && passed > 0) {
      mock.timers.tick(passed);
      told = now;
    }
    await turn();
  }
}

const newSession = (identity = Identity.create()) => new Session({ url: server.url, identity, now });

interface State {
  lock: { locked: boolean; exclusive: boolean; holders: { instanceId: string; token: number }[] };
}
const stateOf = async (session: Session, name: string) =>
  (await call<State>(server.url, signedFetch(session), 'query ($name: String!) { lock(name: $name) { locked exclusive holders { instanceId token } } }', { name })).lock;

const setLock = (session: Session, input: Record<string, unknown>) =>
  call<{ setLock: { status: string } }>(server.url, signedFetch(session), 'mutation ($input: SetLockInput!) { setLock(input: $input) { status } }', { input });

/** Work that lasts until it is told to end. */
function lasting() {
  let lease: Lease | undefined;
  let end = () => {};
  const ended = new Promise<void>((resolve) => (end = resolve));
  return {
    work: async (given: Lease) => ((lease = given), ended),
    lease: () => lease!, // once it is given
    end: () => end(),
  };
}

test('withLock: one after the other, with growing fence tokens, which writes take', async () => {
  const session = newSession();
  const order: string[] = [];
  const first = lasting();
  const running = withLock(session, 'list', async (lease) => {
    order.push('first begins');
    await first.work(lease);
    order.push('first ends');
    return lease.fence.token;
  });
  await until(() => first.lease() !== undefined);
  const other = newSession(session.identity);
  const waiting = withLock(other, 'list', async ({ fence }) => {
    order.push('second begins');
    const input = { id: 'a', data: '', fence, mutationId: newNonce() };
    const { setRecord } = await call<{ setRecord: { status: string } }>(server.url, signedFetch(other), SET, { input });
    assert.equal(setRecord.status, 'SUCCESS');
    return fence.token;
  });
  await assert.rejects(withLock(other, 'list', () => assert.fail('held'), { signal: AbortSignal.abort(new Error('no time')) }), { message: 'no time' });
  first.end();
  const token = await running;
  let second = 0;
  void waiting.then((given) => (second = given));
  await until(() => second > 0, 'going');
  assert.ok(second > token);
  assert.deepEqual(order, ['first begins', 'first ends', 'second begins']);
  assert.equal((await stateOf(session, 'list')).locked, false);
  const late = { id: 'b', data: '', fence: { lock: 'list', token }, mutationId: newNonce() };
  await assert.rejects(call(server.url, signedFetch(session), SET, { input: late }), { code: 'FENCED' });
});

test('withLock: shared locks are held together; what the work throws is passed on, and the lock is free', async () => {
  const session = newSession();
  const one = lasting();
  const running = withLock(session, 'list', one.work, { shared: true });
  await until(() => one.lease() !== undefined);
  const failing = withLock(session, 'list', async ({ fence }) => {
    assert.equal(fence.token, one.lease().fence.token);
    throw new Error('broken');
  }, { shared: true });
  await assert.rejects(failing, { message: 'broken' });
  one.end();
  await running;
  assert.equal((await stateOf(session, 'list')).locked, false);
});

test('withLock: is renewed for as long as the work lasts', async () => {
  const session = newSession();
  const renewals: unknown[] = [];
  let asked = 0;
  const spying: typeof fetch = async (input, init) => {
    const { variables } = JSON.parse(new TextDecoder().decode(init!.body as Uint8Array));
    if (variables.input.token) asked++;
    const response = await fetch(input, init);
    if (variables.input.token) renewals.push(variables.input.token);
    return response;
  };
  const long = lasting();
  const running = withLock(session, 'list', long.work, { fetch: spying });
  await until(() => long.lease() !== undefined);
  const began = Date.now();
  for (let renewed = 1; renewed <= 4; renewed++) {
    await until(() => asked === renewed, 'running');
    await until(() => renewals.length === renewed);
  }
  assert.ok(Date.now() - began > 30_000);
  assert.deepEqual(new Set(renewals), new Set([long.lease().fence.token]));
  assert.equal(long.lease().signal.aborted, false);
  assert.equal((await stateOf(newSession(session.identity), 'list')).holders[0]?.instanceId, long.lease().instanceId);
  long.end();
  await running;
});

test('withLock: a grant that others took over is told, and stays theirs', async () => {
  const session = newSession();
  const unlucky = lasting();
  const running = assert.rejects(withLock(session, 'list', unlucky.work), { code: 'LOCK_LOST' });
  await until(() => unlucky.lease() !== undefined);
  const { instanceId, signal } = unlucky.lease();
  await setLock(session, { name: 'list', instanceId, acquire: false });
  await setLock(session, { name: 'list', instanceId: 'another' });
  mock.timers.tick(10_000);
  await until(() => signal.aborted);
  assert.equal(signal.reason.code, 'LOCK_LOST');
  unlucky.end();
  await running;
  assert.deepEqual((await stateOf(session, 'list')).holders.map((holder) => holder.instanceId), ['another']);
});

test('withLock: is lost in time where renewals do not get through', async () => {
  const session = newSession();
  const unlucky = lasting();
  const failing: typeof fetch = async (input, init) => {
    if (unlucky.lease()) throw new TypeError('no network');
    return fetch(input, init);
  };
  const running = assert.rejects(withLock(session, 'list', unlucky.work, { fetch: failing }), { code: 'LOCK_LOST' });
  await until(() => unlucky.lease() !== undefined);
  const { signal } = unlucky.lease();
  const began = Date.now();
  await until(() => signal.aborted, 'running');
  const lasted = Date.now() - began;
  assert.ok(lasted > 20_000 && lasted <= 30_000, `${lasted} ms by the mocked clock`);
  unlucky.end();
  let over = false;
  void running.then(() => (over = true));
  await until(() => over, 'running'); // freeing it is tried, too
});

const ODD: [what: string, answer: () => Response][] = [
  ['a page', () => new Response('<h1>Log in</h1>', { headers: { 'content-type': 'text/html' } })],
  ['a refusal', () => new Response('<h1>Forbidden</h1>', { status: 403, headers: { 'content-type': 'text/html' } })],
  ['JSON of its own', () => Response.json(null)],
  ['an error without a code', () => Response.json({ errors: [{ message: 'no upstream' }] })],
  ['half an answer', () => new Response('{"data":{"setL', { headers: { 'content-type': 'application/json' } })],
];

for (const [what, answer] of ODD) {
  test(`withLock: ${what} of a gateway in place of a renewal loses nothing while time is left`, async () => {
    const session = newSession();
    let asked = 0;
    let renewed = false;
    const behindGateway: typeof fetch = async (input, init) => {
      const { variables } = JSON.parse(new TextDecoder().decode(init!.body as Uint8Array));
      if (!variables.input.token) return fetch(input, init);
      if (asked++ === 0) return answer();
      const response = await fetch(input, init);
      renewed = true;
      return response;
    };
    const long = lasting();
    const running = withLock(session, 'list', long.work, { fetch: behindGateway, ttlSeconds: 300 });
    await until(() => long.lease() !== undefined);
    const { signal } = long.lease();
    await until(() => signal.aborted || asked > 1, 'running');
    await until(() => signal.aborted || renewed);
    assert.equal(signal.aborted, false);
    long.end();
    await running;
  });
}

test('withLock: a renewal that arrives after the release takes nothing', async () => {
  const session = newSession();
  let hold = false;
  const held: (() => Promise<unknown>)[] = [];
  const slow: typeof fetch = (input, init) => {
    const { variables } = JSON.parse(new TextDecoder().decode(init!.body as Uint8Array));
    if (!hold || variables.input.acquire === false) return fetch(input, init);
    return new Promise((_, reject) => {
      held.push(() => fetch(input, { ...init!, signal: null })); // it is on its way already
      init!.signal!.addEventListener('abort', () => reject(init!.signal!.reason));
    });
  };
  const short = lasting();
  const running = withLock(session, 'list', short.work, { fetch: slow });
  await until(() => short.lease() !== undefined);
  hold = true;
  mock.timers.tick(10_000);
  await until(() => held.length === 1);
  short.end();
  await running;
  await held[0]!();
  assert.equal((await stateOf(newSession(session.identity), 'list')).locked, false);
});

test('withLock: ends with the identity that holds it', async () => {
  const session = newSession();
  const old = lasting();
  const running = assert.rejects(withLock(session, 'list', old.work), { code: 'IDENTITY_CHANGED' });
  await until(() => old.lease() !== undefined);
  await session.switchTo(Identity.create());
  assert.equal(old.lease().signal.reason.code, 'IDENTITY_CHANGED');
  old.end();
  await running;
});
