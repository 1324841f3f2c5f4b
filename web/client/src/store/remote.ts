import { fromGraphQLErrors, SynclineError } from '../errors.js';
import { signedFetch } from '../fetch.js';
import type { Session } from '../session.js';
import type { FeedRecord } from '../types.js';
import type { Page } from './mirror.js';
import type { Answer, Turn } from './queue.js';
import type { State } from './rows.js';

const RECORD = 'id data revision schemaVersion deleted updatedAt';
const CHANGES = `query Changes($since: Cursor, $first: Int!) { changes(since: $since, first: $first) { records { ${RECORD} } cursor hasMore head } }`;
const WRITE = `mutation Write($input: WriteRecordsInput!) { writeRecords(input: $input) { status results { status newRevision record { ${RECORD} } } } }`;

type Got = Omit<FeedRecord, 'clientId'>;

/** The server, as the session's present user sees it. Each call is made once: who calls waits and tries again. */
export class Remote {
  readonly #send: typeof fetch;
  readonly #tenure: AbortSignal;

  constructor(
    private readonly session: Session,
    private readonly clientId: string | undefined,
    send?: typeof fetch,
  ) {
    this.#send = signedFetch(session, { attempts: 1, ...(send && { fetch: send }) });
    this.#tenure = session.signal;
  }

  async page(since: string | null, signal: AbortSignal, first = 1000): Promise<Page> {
    const { changes } = await this.call<{ changes: Omit<Page, 'records'> & { records: Got[] } }>(CHANGES, { since, first }, signal);
    return { ...changes, records: changes.records.map((record) => ({ id: record.id, ...stateOf(record) })) };
  }

  async write({ mutationId, writes }: Pick<Turn, 'mutationId' | 'writes'>, signal: AbortSignal): Promise<{ status: Answer['status']; results: Answer[] }> {
    const input = {
      mutationId,
      ...(this.clientId && { clientId: this.clientId }),
      writes: writes.map(({ id, data, revision, schemaVersion }) => (data === null ? { delete: { id, revision } } : { set: { id, data, revision, schemaVersion } })),
    };
    type Result = Omit<Answer, 'record'> & { record: Got | null };
    const { writeRecords } = await this.call<{ writeRecords: { status: Answer['status']; results: Result[] } }>(WRITE, { input }, signal);
    return { status: writeRecords.status, results: writeRecords.results.map((result) => ({ ...result, record: result.record && stateOf(result.record) })) };
  }

  /** Any other operation. */
  async call<T>(query: string, variables: Record<string, unknown>, signal: AbortSignal): Promise<T> {
    this.#tenure.throwIfAborted(); // the session signs as another user now
    const headers = { 'content-type': 'application/json' };
    const response = await this.#send(this.session.url, { method: 'POST', headers, body: JSON.stringify({ query, variables }), signal });
    const body = (await response.json()) as { data?: T | null; errors?: unknown } | null;
    const error = fromGraphQLErrors(body?.errors);
    if (error) throw error;
    if (!body?.data) throw new SynclineError('PROTOCOL', 'the answer has neither data nor errors');
    return body.data;
  }
}

function stateOf({ data, revision, schemaVersion, deleted, updatedAt }: Got): State {
  return { data: deleted ? null : data, revision, schemaVersion, updatedAt };
}
