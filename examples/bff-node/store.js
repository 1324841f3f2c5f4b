import { fromBase64, newNonce, signedFetch, SynclineError, toBase64 } from '@syncline/client';

/** How long to go on trying while Syncline is away, in milliseconds. */
const PATIENCE = 10_000;

const GET = 'query Get($id: ID!) { record(id: $id) { data revision deleted } }';
const SET = `mutation Set($input: SetRecordInput!) {
  setRecord(input: $input) { status newRevision record { data revision deleted } }
}`;

/** @typedef {{ text: Uint8Array, revision: number }} Note */

/** Notes, each kept as a record. Rejects with a SynclineError. */
export class Store {
  #send;
  #url;

  /** @param {import('@syncline/client').Session} session */
  constructor(session) {
    this.#url = session.url;
    this.#send = signedFetch(session, { attempts: Infinity });
  }

  /**
   * @param {string} id
   * @returns {Promise<Note | null>}
   */
  async get(id) {
    const { record } = await this.#call(GET, { id });
    return noteOf(record);
  }

  /**
   * Writes a note if revision is the one last seen of it; 0 creates it. Otherwise
   * it answers a conflict, and the note as it is.
   *
   * @param {string} id
   * @param {Uint8Array} text
   * @param {number} revision
   * @returns {Promise<{ conflict: boolean, note: Note | null }>}
   */
  async set(id, text, revision) {
    // With its mutation id the write may be sent again, and is applied once.
    const input = { id, data: toBase64(text), revision, mutationId: newNonce() };
    const { setRecord } = await this.#call(SET, { input });
    const note = noteOf(setRecord.record);
    if (setRecord.status === 'CONFLICT') return { conflict: true, note };
    return { conflict: false, note: { text, revision: setRecord.newRevision } };
  }

  /**
   * @param {string} query
   * @param {Record<string, unknown>} variables
   */
  async #call(query, variables) {
    const response = await this.#send(this.#url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query, variables }),
      signal: AbortSignal.timeout(PATIENCE),
    });
    const { data, errors } = await response.json();
    if (errors) throw new SynclineError(errors[0].extensions?.code ?? 'PROTOCOL', errors[0].message);
    return data;
  }
}

/** @returns {Note | null} */
function noteOf(record) {
  return record && !record.deleted ? { text: fromBase64(record.data), revision: record.revision } : null;
}
