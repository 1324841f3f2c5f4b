import { withMutationIds } from '@syncline/client';
import { getOperationAST, parse } from 'graphql';
import type { DocumentNode } from 'graphql';

/** The body of a request. */
export interface Payload extends Record<string, unknown> {
  query: string;
  variables: Record<string, unknown>;
  operationName?: string;
}

/** What is to be sent. */
export interface Operation {
  payload: Payload;
  isSubscription: boolean;
}

/** Prepares what an editor holds for sending: writes get a mutation id, so that a retry is safe. */
export function prepare(query: string, variables: Record<string, unknown>, selected?: string | null): Operation {
  const document = tryParse(query);
  if (!document) return { payload: { query, variables }, isSubscription: false }; // the server says what is wrong
  // The editor may still name the operation of the tab before: a lone one needs no choice, and may have no name.
  const operation = getOperationAST(document) ?? getOperationAST(document, selected);
  const name = operation?.name?.value;
  return {
    payload: { query, variables: withMutationIds(document, variables), ...(name && { operationName: name }) },
    isSubscription: operation?.operation === 'subscription',
  };
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
