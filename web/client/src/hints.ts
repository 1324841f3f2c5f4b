import { onAbort } from './abort.js';
import { pause, sleep } from './backoff.js';
import type { Subscriber } from './types.js';

/** A client for subscriptions: what `createSocket` or `createEventSource` made. */
export interface Live extends Subscriber {
  /** Tells when the connection is lost, as graphql-ws does. */
  on?: ((event: 'closed', listener: () => void) => () => void) | undefined;
}

const HINTS = 'subscription Hints { recordChanged { kind } }';

/**
 * Calls back whenever there may be something to fetch: with true as long as what comes next will be heard of, with
 * false when that is over. Subscribes again and again until the signal is aborted.
 */
export async function followHints(live: Live, heard: (subscribed: boolean) => void, signal: AbortSignal): Promise<void> {
  let subscribed = false;
  const lost = () => {
    if (!subscribed) return;
    subscribed = false;
    heard(false); // who knows what became of the server
  };
  const forget = live.on?.('closed', lost);
  for (let failed = 0; !signal.aborted; ) {
    await new Promise<void>((resolve) => {
      let leave = () => {};
      const end = () => {
        lost();
        leave();
        resolve();
      };
      const next = ({ data }: { data?: unknown }) => {
        if ((data as { recordChanged?: { kind: string } } | null)?.recordChanged?.kind === 'CAUGHT_UP') subscribed = true;
        failed = 0;
        heard(subscribed);
      };
      const stop = live.subscribe({ query: HINTS }, { next, error: end, complete: end });
      leave = onAbort(signal, () => {
        stop();
        end();
      });
    });
    await sleep(pause(failed++), signal).catch(() => {});
  }
  forget?.();
}
