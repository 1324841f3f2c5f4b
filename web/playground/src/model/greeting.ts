import type { SynclineError } from '@syncline/client';

import { ask } from './ask.ts';
import type { Device } from './device.ts';
import { asSynclineError } from './errors.ts';

/** What the first request told. */
export interface Greeting {
  /** Why nothing will work; null if all is well. */
  error: SynclineError | null;
  /** How many seconds this device's clock is behind the server's; negative if it is ahead. */
  clockBehind: number;
}

/** Asks the server who we are and what time it is. */
export async function greet(device: Device): Promise<Greeting> {
  const asked = Date.now();
  try {
    const { limits } = await ask<Answer>(device, 'query Hello { viewer { id head } limits { serverTime } }');
    const serverTime = Date.parse(limits.serverTime);
    // A time between question and answer says nothing about the clock: the answer may have been on its way that long.
    const ownTime = Math.min(Math.max(serverTime, asked), Date.now());
    return { error: null, clockBehind: (serverTime - ownTime) / 1000 };
  } catch (error) {
    return { error: asSynclineError(error), clockBehind: 0 };
  }
}

interface Answer {
  limits: { serverTime: string };
}
