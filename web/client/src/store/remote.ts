import { toUTF8 } from '../bytes.js';
import { fromGraphQLErrors, SynclineError } from '../errors.js';
import { sendOnce, targetOf } from '../fetch.js';
import type { Session } from '../session.js';
import type { FeedRecord } from '../types.js';
import type { Page } from './mirror.js';
import type { Answer, Outgoing } from './queue.js';
import type { State } from './rows.js';

const RECORD = 'id data revision schemaVersion deleted updatedAt';
const CHANGES = `query Changes($since: Cursor, $first: Int!) { changes(since: $since, first: $first) { records { ${RECORD} } cursor hasMore head } }`;
const WRITE = `mutation Write($input: WriteRecordsInput!) { writeRecords(input: $input) { status results { status newRevision record { ${RECORD} } } } }`;

type Got = Omit<FeedRecord, 'clientId'>;

/** The server, as the session's present user sees it. Each call is made once: who calls waits and tries again. */
export class Remote {
  readonly #tenure: AbortSignal;

  constructor(
    private readonly session: Session,
    private readonly options: { clientId?: string; fetch?: typeof fetch },
  ) {
    this.#tenure = session.signal;
  }

  async page(since: string | null, signal: AbortSignal, first = 1000): Promise<Page> {
    const { changes } = await this.call<{ changes: Omit<Page, 'records'> & { records: Got[] } }>(CHANGES, { since, first }, signal);
    return { ...changes, records: changes.records.map((record) => ({ id: record.id, ...stateOf(record) })) };
  }

  async write(mutationId: string, writes: readonly Outgoing[], signal: AbortSignal): Promise<{ status: Answer['status']; results: Answer[] }> {
    const { clientId } = this.options;
    const input = {
      mutationId,
      ...(clientId && { clientId }),
      writes: writes.map(({ id, data, revision, schemaVersion }) => (data === null ? { delete: { id, revision } } : { set: { id, data, revision, schemaVersion } })),
    };
    type Result = Omit<Answer, 'record'> & { record: Got | null };
    const { writeRecords } = await this.call<{ writeRecords: { status: Answer['status']; results: Result[] } }>(WRITE, { input }, signal);
    return { status: writeRecords.status, results: writeRecords.results.map((result) => ({ ...result, record: result.record && stateOf(result.record) })) };
  }

  /** Any other operation. */
  async call<T>(query: string, variables: Record<string, unknown>, signal: AbortSignal): Promise<T> {
    this.#tenure.throwIfAborted(); // the session signs as another user now
    const { session, options } = this;
    const body = toUTF8(JSON.stringify({ query, variables }));
    const init: RequestInit = { method: 'POST', headers: { 'content-type': 'application/json' }, body, redirect: 'manual' };
    const { response, error } = await sendOnce(session, options, { url: targetOf(session.url), init, body, identity: session.identity }, signal);
    if (error) throw error;
    const answer = (await response!.json()) as { data?: T | null; errors?: unknown } | null;
    const refusal = fromGraphQLErrors(answer?.errors);
    if (refusal) throw refusal;
    if (!answer?.data) throw new SynclineError('PROTOCOL', 'the answer has neither data nor errors');
    return answer.data;
  }
}

function stateOf({ data, revision, schemaVersion, deleted, updatedAt }: Got): State {
  return { data: deleted ? null : data, revision, schemaVersion, updatedAt };
}
