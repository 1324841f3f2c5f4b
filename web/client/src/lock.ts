import { onAbort } from './abort.js';
import { pause, sleep } from './backoff.js';
import { fromGraphQLErrors, mayPass, SynclineError } from './errors.js';
import { signedFetch } from './fetch.js';
import type { SignedFetchOptions } from './fetch.js';
import type { Session } from './session.js';
import { newNonce } from './signing.js';

const SET_LOCK = 'mutation SetLock($input: SetLockInput!) { setLock(input: $input) { status token } }';

/** Seconds; the server makes no grant that lasts longer. */
const LONGEST_TTL = 300;
/** How long who waits for a lock may overlook that it is free. */
const LONGEST_PAUSE = 2_000;

export interface LockOptions extends Pick<SignedFetchOptions, 'fetch'> {
  /**
   * How long others wait if this device dies: 1 to 300 seconds, 30 by default.
   * Browsers run the timers of hidden tabs once a minute: take 180 or more if
   * the work is to go on there.
   */
  ttlSeconds?: number;
  /** Holds the lock together with others that share it. */
  shared?: boolean;
  /** Who takes the lock, 1 to 64 bytes; a random id by default. The same id holds a lock once, whoever asks. */
  instanceId?: string;
  /** Gives up waiting for the lock, with the signal's reason. The work has the lease's signal. */
  signal?: AbortSignal;
}

/** A lock that is held, and renewed by itself. */
export interface Lease {
  readonly name: string;
  readonly instanceId: string;
  /** Give it with each write as `fence`: the server then refuses, as `FENCED`, what comes after somebody else took the lock. */
  readonly fence: { readonly lock: string; readonly token: number };
  /** Aborted, with `LOCK_LOST` or `IDENTITY_CHANGED`, as soon as the lock may be held by others. */
  readonly signal: AbortSignal;
}

/**
 * Takes a lock, waiting while others hold it, does the work, and frees the lock.
 * Meanwhile it is renewed at a third of its time. Answers what the work answers;
 * rejects with `LOCK_LOST` if the lock was lost before the work was done, for
 * then it may not have been alone. A device that slept may believe in its lock
 * for a moment after others took it: what keeps data safe is the fence.
 *
 * If freeing fails, the lock frees itself when its time has passed.
 */
export async function withLock<T>(
  session: Session,
  name: string,
  work: (lease: Lease) => T | Promise<T>,
  options: LockOptions = {},
): Promise<T> {
  const { ttlSeconds = 30, shared = false, instanceId = newNonce(), signal, fetch } = options;
  const tenure = session.signal; // the lock is the present identity's
  const sender = (attempts: number) => signedFetch(session, { attempts, ...(fetch && { fetch }) });
  const input = { name, instanceId, exclusive: !shared, ttlSeconds };
  const release = async () => {
    if (!tenure.aborted) await setLock(session, sender(3), { ...input, acquire: false }).catch(() => {});
  };

  let held: { token: number; asked: Instant } | undefined;
  for (let tries = 0; !held; tries++) {
    const asked = instant();
    const { status, token } = await setLock(session, sender(6), input, signal).catch(async (error) => {
      if (signal?.aborted) await release(); // it may have been granted
      throw error;
    });
    if (status === 'ACQUIRED') held = { token: token!, asked };
    else await sleep(Math.min(pause(tries), LONGEST_PAUSE), signal);
    tenure.throwIfAborted();
  }

  const lost = new AbortController();
  const over = new AbortController();
  const forget = onAbort(tenure, () => lost.abort(tenure.reason));
  const renewing = { ...input, token: held.token };
  const ttl = Math.min(ttlSeconds, LONGEST_TTL) * 1000;
  void keep(session, sender(1), renewing, ttl, held.asked, over.signal).catch((error) => !over.signal.aborted && lost.abort(error));
  try {
    const result = await work({ name, instanceId, fence: { lock: name, token: held.token }, signal: lost.signal });
    lost.signal.throwIfAborted();
    return result;
  } finally {
    forget();
    over.abort(); // a renewal that is under way names its grant: it takes nothing again
    await release();
  }
}

interface LockInput {
  name: string;
  instanceId: string;
  exclusive: boolean;
  ttlSeconds: number;
  acquire?: boolean;
  token?: number;
}

/** Renews a grant until `over`. Rejects, with the reason, as soon as it may have been lost. */
async function keep(session: Session, send: typeof fetch, input: LockInput, ttl: number, asked: Instant, over: AbortSignal): Promise<void> {
  const lost = (cause?: unknown) =>
    new SynclineError('LOCK_LOST', `the lock ${JSON.stringify(input.name)} was not renewed in time, or others took it: what was done since may not have been alone`, {}, { cause });
  // Counted from before it was asked for, and a tenth early, for clocks that differ in pace.
  const left = () => ttl * 0.9 - elapsed(asked);
  let wait = ttl / 3;
  let failure: unknown;
  for (;;) {
    await sleep(Math.max(Math.min(wait, left()), 0), over);
    if (left() <= 0) throw lost(failure);
    const call = new AbortController();
    const forget = onAbort(over, () => call.abort(over.reason));
    const timer = setTimeout(() => call.abort(lost()), left());
    const again = instant();
    try {
      const { status, token } = await setLock(session, send, input, call.signal);
      if (status !== 'ACQUIRED' || token !== input.token) throw lost();
      asked = again;
      wait = ttl / 3;
    } catch (error) {
      if (!(error instanceof SynclineError)) throw lost(error);
      if (error.code === 'LOCK_LOST') throw error;
      // What stands before the server may answer in its place: that says nothing about the grant.
      if (!mayPass(error) && error.code !== 'NOT_SYNCLINE' && error.code !== 'PROTOCOL') throw lost(error);
      failure = error;
      wait = ttl / 10;
    } finally {
      clearTimeout(timer);
      forget();
    }
  }
}

/** By two clocks: one stands still while a device sleeps, the other may be set. */
type Instant = readonly [steady: number, wall: number];

function instant(): Instant {
  return [performance.now(), Date.now()];
}

function elapsed([steady, wall]: Instant): number {
  return Math.max(performance.now() - steady, Date.now() - wall);
}

async function setLock(session: Session, send: typeof fetch, input: LockInput, signal?: AbortSignal) {
  const response = await send(session.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: SET_LOCK, variables: { input } }),
    ...(signal && { signal }),
  });
  const answer = (await response.json().catch(() => null)) as Partial<{ data: { setLock?: { status: string; token: number | null } } | null; errors: unknown }> | null;
  const error = fromGraphQLErrors(answer?.errors);
  if (error) throw error;
  if (!answer?.data?.setLock) throw new SynclineError('PROTOCOL', `the server answered with ${response.status} and no data`);
  return answer.data.setLock;
}
