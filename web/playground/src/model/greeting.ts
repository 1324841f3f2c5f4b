import { SynclineError } from '@syncline/client';

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
  try {
    const response = await device.send(device.session.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: 'query Hello { viewer { id head } limits { serverTime } }', operationName: 'Hello' }),
    });
    const { data, errors } = (await response.json()) as Answer;
    if (errors) throw new SynclineError(errors[0]?.extensions.code ?? 'PROTOCOL', errors[0]?.message ?? '');
    return { error: null, clockBehind: (Date.parse(data!.limits.serverTime) - Date.now()) / 1000 };
  } catch (error) {
    return { error: asSynclineError(error), clockBehind: 0 };
  }
}

interface Answer {
  data?: { limits: { serverTime: string } };
  errors?: { message: string; extensions: { code: string } }[];
}
