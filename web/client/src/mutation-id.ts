import { newNonce } from './signing.js';

const WRITES = new Set(['setRecord', 'deleteRecord', 'writeRecords', 'eraseAccount']);

interface Node {
  kind: string;
}

interface Field extends Node {
  name: { value: string };
  arguments?: readonly { name: { value: string }; value: Node & { name?: { value: string } } }[];
}

interface Operation extends Node {
  selectionSet?: { selections: readonly Node[] };
}

/**
 * Variables in which each `input` of a write has a mutation id, so that the
 * write may safely be sent again. Only where the document passes the whole
 * `input` as a variable; what is given is left as it is.
 */
export function withMutationIds<V extends Record<string, unknown>>(document: { definitions: readonly Node[] }, variables: V): V {
  const filled: Record<string, unknown> = { ...variables };
  for (const name of inputVariables(document)) {
    const input = filled[name];
    if (typeof input !== 'object' || input === null) continue;
    filled[name] = { ...input, mutationId: (input as { mutationId?: unknown }).mutationId ?? newNonce() };
  }
  return filled as V;
}

function inputVariables(document: { definitions: readonly Node[] }): string[] {
  return document.definitions
    .flatMap((definition) => (definition as Operation).selectionSet?.selections ?? [])
    .filter((selection): selection is Field => selection.kind === 'Field' && WRITES.has((selection as Field).name.value))
    .flatMap((field) => field.arguments ?? [])
    .filter(({ name, value }) => name.value === 'input' && value.kind === 'Variable')
    .map(({ value }) => value.name!.value);
}
