import type { Fetcher } from '@graphiql/toolkit';
import type { ExecutionResult } from 'graphql';

import type { Device } from './device.ts';
import { asResult } from './errors.ts';
import { isJSON } from './json-text.ts';
import { prepare } from './operation.ts';
import type { Payload } from './operation.ts';

/** What a run needs to know of the page. */
export interface Bench {
  /** The variables as they stand in the editor. */
  variables: () => string;
  /** Hears of each operation that is about to be sent, as the editors have it. */
  ran: (query: string, variables: string) => void;
  /** Hears of each answer. */
  answered: () => void;
}

/** Sends what the editors hold as a device. */
export function createFetcher(device: Device, { variables: written, ran, answered }: Bench): Fetcher {
  return ({ query, variables, operationName }) => {
    const parsed = JSON.stringify(variables ?? {});
    const text = written().trim();
    ran(query, text);
    // GraphiQL parsed them, also with comments in them, which are not JSON.
    const same = isJSON(text) && JSON.stringify(JSON.parse(text)) === parsed;
    const { payload, body, isSubscription } = prepare(query, same ? text : parsed, operationName);
    return isSubscription ? subscribe(device, payload) : send(device, body, answered);
  };
}

async function send(device: Device, body: string, answered: () => void): Promise<ExecutionResult> {
  try {
    const response = await device.send(device.session.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json, application/json' },
      body,
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
  const results = device.socket.iterate<Record<string, unknown>>(payload);
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      try {
        const result = (await results.next()) as IteratorResult<ExecutionResult>;
        if (!result.done) device.seen.answer(result.value.data);
        return result;
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
