const OPERATION_NAMES = /\b(?:query|mutation|subscription|fragment)\s+\w+/g;
const WRITES = /\b(?:setRecord|deleteRecord|writeRecords)\b/g;

/**
 * Whether a request may be sent again although the first copy may have been
 * applied: reads may, locks may, and writes whose variables carry a mutation id.
 */
export function isRepeatable(body: Uint8Array | undefined): boolean {
  if (body === undefined) return true; // a GET cannot write
  try {
    const { query, variables } = JSON.parse(new TextDecoder().decode(body)) as { query: string; variables?: unknown };
    const writes = query.replace(OPERATION_NAMES, '').match(WRITES)?.length ?? 0;
    return writes <= countMutationIds(variables);
  } catch {
    return false; // not a request of GraphQL
  }
}

function countMutationIds(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return Object.entries(value).reduce(
    (count, [name, inner]) => count + (name === 'mutationId' && typeof inner === 'string' ? 1 : countMutationIds(inner)),
    0,
  );
}
