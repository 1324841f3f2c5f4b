/** Variables with other data in their input; undefined if they have no place for it. */
export function withData(variables: string, data: string): string | undefined {
  try {
    const parsed = JSON.parse(variables) as { input?: { data?: unknown } };
    if (typeof parsed.input?.data !== 'string') return undefined;
    return JSON.stringify({ ...parsed, input: { ...parsed.input, data } }, null, 2);
  } catch {
    return undefined;
  }
}
