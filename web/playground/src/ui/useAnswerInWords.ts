import { useGraphiQL } from '@graphiql/react';

/** The gist of the present answer, for those who do not read JSON at a glance, or at all. */
export function useAnswerInWords(): string {
  return useGraphiQL((state) => inWords(state.tabs[state.activeTabIndex]?.response));
}

function inWords(response: string | null | undefined): string {
  if (!response) return '';
  try {
    const { data, errors } = JSON.parse(response) as { data?: Record<string, unknown> | null; errors?: unknown };
    if (errors) return codeOf(errors);
    return Object.values(data ?? {}).map(gist).join(', ');
  } catch {
    return '';
  }
}

function codeOf(errors: unknown): string {
  const first = Array.isArray(errors) ? (errors[0] as { extensions?: { code?: string } } | undefined) : undefined;
  return first?.extensions?.code ?? 'Error';
}

function gist(value: unknown): string {
  const { status, newRevision, token, kind, records } = (value ?? {}) as Record<string, unknown>;
  if (typeof newRevision === 'number') return `${status}, revision ${newRevision}`;
  if (typeof token === 'number') return `${status}, token ${token}`;
  if (Array.isArray(records)) return `${records.length} ${records.length === 1 ? 'record' : 'records'}`;
  return String(status ?? kind ?? 'Answered');
}
