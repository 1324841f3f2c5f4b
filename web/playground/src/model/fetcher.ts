import type { Fetcher } from '@graphiql/toolkit';
import type { ExecutionResult } from 'graphql';

import type { Device } from './device.ts';
import { asResult } from './errors.ts';
import { prepare } from './operation.ts';
import type { Payload } from './operation.ts';

/** Sends what the editors hold as a device; `answered` hears of each answer. */
export function createFetcher(device: Device, answered: () => void): Fetcher {
  return ({ query, variables, operationName }) => {
    const { payload, isSubscription } = prepare(query, (variables ?? {}) as Payload['variables'], operationName);
    return isSubscription ? subscribe(device, payload) : send(device, payload, answered);
  };
}

async function send(device: Device, payload: Payload, answered: () => void): Promise<ExecutionResult> {
  try {
    const response = await device.send(device.session.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json, application/json' },
      body: JSON.stringify(payload),
    });
    const result = (await response.json()) as ExecutionResult;
    device.seen.answer(result.data);
    answered();
    return result;
  } catch (error) {
    return asResult(error);
  }
}

/** A subscription whose failure is shown like the failure of a query. */
function subscribe(device: Device, payload: Payload): AsyncIterableIterator<ExecutionResult> {
  const results = device.socket.iterate(payload);
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      try {
        return (await results.next()) as IteratorResult<ExecutionResult>;
      } catch (error) {
        await results.return?.();
        return { done: false, value: asResult(error) };
      }
    },
    async return() {
      await results.return?.();
      return { done: true, value: undefined };
    },
  };
}
