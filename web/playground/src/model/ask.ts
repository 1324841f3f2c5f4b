import { SynclineError } from '@syncline/client';

import type { Device } from './device.ts';

/** Sends an operation of the page's own as a device. Throws a `SynclineError` for what the server refuses. */
export async function ask<T>(device: Device, query: string, variables: Record<string, unknown> = {}): Promise<T> {
  const response = await device.send(device.session.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables, operationName: /\w+ (\w+)/.exec(query)?.[1] }),
  });
  const { data, errors } = (await response.json()) as { data?: T; errors?: { message: string; extensions?: { code?: string } }[] };
  if (errors) throw new SynclineError(errors[0]?.extensions?.code ?? 'PROTOCOL', errors[0]?.message ?? '');
  return data!;
}
