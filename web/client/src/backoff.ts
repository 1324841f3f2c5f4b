import { onAbort } from './abort.js';

const SHORTEST = 100;
const LONGEST = 10_000;
/** No pause that a server asks for in earnest is longer; timers run out at once above their own limit. */
const LONGEST_ASKED = 60_000;

/** A connection that held this long had nothing to do with the failures before it. */
const HELD = 10_000;

/**
 * The pause before the next try in milliseconds, after this many failed ones:
 * each up to twice as long as the one before, and at least what the server
 * asked for, if that makes sense. Much of it is random, so that clients that
 * failed together do not come back together.
 */
export function pause(failed: number, asked?: unknown): number {
  const least = Math.max(Math.min(SHORTEST * 2 ** failed, LONGEST) / 2, Math.min(Number(asked) || 0, LONGEST_ASKED));
  return least + Math.random() * Math.min(least, LONGEST);
}

/** The pauses between connections that follow one another. */
export class Pauses {
  #failed = 0;
  #since = Infinity;

  /** A connection stands; unless it holds for a while, the next pause is longer all the same. */
  stands(): void {
    this.#since = Math.min(this.#since, performance.now());
  }

  next(asked?: unknown): number {
    if (performance.now() - this.#since >= HELD) this.#failed = 0;
    this.#since = Infinity;
    return pause(this.#failed++, asked);
  }
}

/** Waits; rejects with the signal's reason as soon as it is aborted. */
export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason as Error);
    const timer = setTimeout(() => {
      forget();
      resolve();
    }, milliseconds);
    const forget = onAbort(signal, () => {
      clearTimeout(timer);
      reject(signal!.reason as Error);
    });
  });
}
