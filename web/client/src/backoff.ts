const SHORTEST = 100;
const LONGEST = 10_000;
/** No pause that a server asks for in earnest is longer; timers run out at once above their own limit. */
const LONGEST_ASKED = 60_000;

/**
 * The pause before the next try in milliseconds, after this many failed ones:
 * each up to twice as long as the one before, half of it random, and at least
 * what the server asked for, if that makes sense.
 */
export function pause(failed: number, asked?: unknown): number {
  const limit = Math.min(SHORTEST * 2 ** failed, LONGEST);
  const atLeast = Math.min(Number(asked) || 0, LONGEST_ASKED);
  return Math.max(limit / 2, atLeast) + (Math.random() * limit) / 2;
}

/** Waits; rejects with the signal's reason as soon as it is aborted. */
export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason as Error);
    const abort = () => {
      clearTimeout(timer);
      reject(signal!.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, milliseconds);
    signal?.addEventListener('abort', abort, { once: true });
  });
}
