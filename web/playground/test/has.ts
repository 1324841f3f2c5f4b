import assert from 'node:assert/strict';

/** Asserts that a value has at least these members, at any depth. */
export function assertHas(actual: unknown, expected: object): void {
  assert.deepEqual(reduce(actual, expected), expected, JSON.stringify(actual));
}

function reduce(actual: unknown, expected: unknown): unknown {
  if (typeof actual !== 'object' || actual === null || typeof expected !== 'object' || expected === null) return actual;
  return Object.fromEntries(
    Object.entries(expected).map(([name, inner]) => [name, reduce((actual as Record<string, unknown>)[name], inner)]),
  );
}
