const OPERATION_NAMES = /\b(?:query|mutation|subscription|fragment)\s+\w+/g;
const WRITES = /\b(?:setRecord|deleteRecord|writeRecords|eraseAccount)\b/g;
/** For how long each server knows a mutation id at least, less what a try takes: milliseconds. */
export const REMEMBERED = (24 * 60 - 10) * 60_000;

/**
 * For how long a request may be sent again, in milliseconds, although the first
 * copy may have been applied. Reads and locks: for ever. Writes whose variables
 * carry a mutation id: for a day, less what a try takes, as each server remembers
 * that long at least. Other writes: not at all.
 */
export function repeatableFor(body: Uint8Array | undefined): number {
  if (body === undefined) return Infinity; // a GET cannot write
  try {
    const { query, variables } = JSON.parse(new TextDecoder().decode(body)) as { query: string; variables?: unknown };
    const writes = query.replace(OPERATION_NAMES, '').match(WRITES)?.length ?? 0;
    if (writes === 0) return Infinity;
    return writes <= countMutationIds(variables) ? REMEMBERED : 0;
  } catch {
    return 0; // not a request of GraphQL
  }
}

function countMutationIds(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return Object.entries(value).reduce(
    (count, [name, inner]) => count + (name === 'mutationId' && typeof inner === 'string' ? 1 : countMutationIds(inner)),
    0,
  );
}
