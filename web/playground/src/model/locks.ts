import type { SynclineError } from '@syncline/client';

import { ask } from './ask.ts';
import type { Device } from './device.ts';
import { asSynclineError } from './errors.ts';

/** A lock as the server told it last. */
export interface LockState {
  locked: boolean;
  exclusive: boolean;
  holders: readonly LockHolder[];
}

export interface LockHolder {
  instanceId: string;
  token: number;
  /** By the server's clock. */
  expiresAt: string;
}

const WATCH = 'subscription WatchLock($name: String!) { lockChanged(name: $name) { locked exclusive holders { instanceId token expiresAt } } }';
const RELEASE = 'mutation ReleaseLock($input: SetLockInput!) { setLock(input: $input) { status } }';

/** Hears of a lock's state now and of each change, expiry too, until the answered function is called or the server refuses. */
export function watchLock(device: Device, name: string, hear: (state: LockState) => void, refused: (error: SynclineError) => void): () => void {
  return device.socket.subscribe<{ lockChanged: LockState }>(
    { query: WATCH, variables: { name } },
    {
      next: ({ data, errors }) => (data ? hear(data.lockChanged) : refused(asSynclineError(errors?.[0]))),
      error: (error) => refused(asSynclineError(error)),
      complete: () => {},
    },
  );
}

/** Frees a lock for its user's holder, on whichever device that is. Throws a `SynclineError` for what the server refuses. */
export async function releaseLock(device: Device, name: string, instanceId: string): Promise<void> {
  await ask(device, RELEASE, { input: { name, instanceId, acquire: false } });
}
