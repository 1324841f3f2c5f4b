import { withMutationIds } from '@syncline/client';
import { getOperationAST, parse } from 'graphql';
import type { DocumentNode } from 'graphql';

import { fill } from './json-text.ts';

/** The body of a request. */
export interface Payload extends Record<string, unknown> {
  query: string;
  variables: Record<string, unknown>;
  operationName?: string;
}

/** What is to be sent. */
export interface Operation {
  /** For a WebSocket, whose client makes JSON of it by itself. */
  payload: Payload;
  /** For HTTP: the variables in it are as they were written. */
  body: string;
  isSubscription: boolean;
}

/** Prepares what an editor holds for sending: writes get a mutation id, so that a retry is safe. `variables` is valid JSON. */
export function prepare(query: string, variables: string, selected?: string | null): Operation {
  const parsed = JSON.parse(variables) as Payload['variables'];
  const document = tryParse(query);
  if (!document) return { payload: { query, variables: parsed }, body: bodyOf(query, variables), isSubscription: false }; // the server says what is wrong
  // The editor may still name the operation of the tab before: a lone one needs no choice, and may have no name.
  const operation = getOperationAST(document) ?? getOperationAST(document, selected);
  const name = operation?.name?.value;
  const filled = withMutationIds(document, parsed);
  return {
    payload: { query, variables: filled, ...(name && { operationName: name }) },
    body: bodyOf(query, fillIds(variables, filled), name),
    isSubscription: operation?.operation === 'subscription',
  };
}

/** The text of the variables with the mutation ids that some of them were given. */
function fillIds(variables: string, filled: Payload['variables']): string {
  let text = variables;
  for (const [name, input] of Object.entries(filled)) {
    const { mutationId } = (input ?? {}) as { mutationId?: unknown };
    if (typeof mutationId === 'string') text = fill(text, [name], 'mutationId', JSON.stringify(mutationId));
  }
  return text;
}

function bodyOf(query: string, variables: string, operationName?: string): string {
  const name = operationName ? `,"operationName":${JSON.stringify(operationName)}` : '';
  return `{"query":${JSON.stringify(query)},"variables":${variables}${name}}`;
}

/** Whether a query has one operation, which needs no choice. */
export function isLone(query: string): boolean {
  const document = tryParse(query);
  return document !== undefined && getOperationAST(document) !== null;
}

function tryParse(query: string): DocumentNode | undefined {
  try {
    return parse(query);
  } catch {
    return undefined;
  }
}
