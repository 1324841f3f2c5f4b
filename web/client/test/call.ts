import { encodeText, newNonce, SynclineError } from '@syncline/client';

export const SET = `mutation Set($input: SetRecordInput!) {
  setRecord(input: $input) { status newRevision replayed record { id data revision } }
}`;

export interface SetPayload {
  status: string;
  newRevision: number | null;
  replayed: boolean;
  record: { id: string; data: string; revision: number } | null;
}

/** A document sent by a fetch that signs. */
export async function call<T>(url: string, send: typeof fetch, query: string, variables = {}): Promise<T> {
  const response = await send(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = (await response.json()) as { data: T; errors?: { message: string; extensions: Record<string, unknown> }[] };
  if (errors) throw new SynclineError(String(errors[0]!.extensions['code']), errors[0]!.message, errors[0]!.extensions);
  return data;
}

/** Writes a record. */
export async function set(url: string, send: typeof fetch, id: string, text: string, revision = 0): Promise<SetPayload> {
  const input = { id, data: encodeText(text), revision, mutationId: newNonce() };
  return (await call<{ setRecord: SetPayload }>(url, send, SET, { input })).setRecord;
}
