import { newNonce } from '../signing.js';
import type { Ledger, Writer } from './ledger.js';
import { ERASED, setAside } from './queue.js';
import { bytesOf, revisionOf } from './rows.js';
import type { Row, State } from './rows.js';

/** A page of changes. */
export interface Page {
  records: (State & { id: string })[];
  cursor: string;
  hasMore: boolean;
  head: number;
}

/** Where a pull goes on: what must still be so when its page is there. */
export function positionOf({ cursor, walk }: Writer['meta']): string {
  return JSON.stringify([cursor, walk?.n]);
}

/**
 * Applies a page and then moves the cursor, in one transaction. A page that another tab applied meanwhile is left
 * alone. At the end of a walk from the beginning goes what it did not bring.
 */
async function apply(writer: Writer, from: string, page: Page, rowOf: (id: string) => Promise<Row | undefined> | undefined): Promise<void> {
  if (positionOf(writer.meta) !== from) return;
  const { meta } = writer;
  const rows = await Promise.all(page.records.map(({ id }) => rowOf(id)));
  for (const [i, { id, ...state }] of page.records.entries()) {
    arrive(writer, rows[i] ?? { id, server: null, writes: [] }, state, meta.walk?.n);
  }
  meta.cursor = page.cursor;
  if (page.hasMore) return;
  if (meta.walk) await endWalk(writer, page.head);
  meta.imported = undefined;
  meta.complete = true;
}

/** Answers what applies pages. While it fills a store that was empty, and nobody else writes to that, it looks for no row that is not there. */
export function filling(ledger: Ledger): (from: string, page: Page) => Promise<void> {
  /** Of rows that it wrote. There are no others after a transaction, which is named here by its database and number. */
  const ids = new Set<string>();
  let alone: string | undefined;
  return async (from, page) => {
    let after: string | undefined;
    await ledger.write('write', async (writer) => {
      const { life, version, complete, cursor } = writer.meta;
      const knows = alone === life + version || (!complete && cursor === null && (await writer.rows().next()).done);
      if (knows) after = life + (version + 1);
      await apply(writer, from, page, (id) => (knows && !ids.has(id) ? undefined : writer.row(id)));
    });
    alone = after;
    if (after) for (const { id } of page.records) ids.add(id);
  };
}

/** The state of a record comes from the feed. */
function arrive(writer: Writer, row: Row, state: State, walk: number | undefined): unknown {
  const { lost, ...kept } = row;
  const marked = walk === undefined ? kept : { ...kept, walk };
  const ahead = state.revision - revisionOf(row.server);
  if (ahead < 0 || (!ahead && state.data !== null)) return walk && writer.putRow(marked); // as it is known here
  if (state.data === null && row.writes.length === 0) return writer.putRow({ ...marked, server: null });
  const precedes = lost !== undefined && state.revision <= lost; // what was lost was made upon it
  writer.putRow({ ...marked, server: state, ...(precedes && { base: state }) });
}

/**
 * The cursor is of no use: walks from the beginning, and shows what is there until the walk has ended. What is known of
 * the history is not forgotten if another walk has not ended. `head`: where a restore left the server; Infinity: there was none.
 */
export async function walkAgain(writer: Writer, from: string, head: number, erased: boolean): Promise<void> {
  if (positionOf(writer.meta) !== from) return;
  if (head < Infinity) await writeAgain(writer, head);
  const { meta } = writer;
  const { cursor, walk } = meta;
  meta.walk = { n: ++meta.walks, erased: erased || walk?.erased === true, from: cursor ?? walk?.from, head: cursor ? head : Math.min(head, walk?.head ?? head) };
  meta.cursor = null;
}

/**
 * The server was restored from a backup. What it had above `head` is lost: records that were changed there are
 * queued, to be written again upon what the walk brings of them. What it then does not bring was deleted.
 */
async function writeAgain(writer: Writer, head: number): Promise<void> {
  const { meta } = writer;
  meta.claims = [];
  for await (const row of writer.rows()) {
    const { id, server, base, writes } = row;
    const isLost = revisionOf(server) > head;
    if (isLost && writes.length === 0 && server!.data !== null) {
      const { data, schemaVersion } = server!;
      const seq = ++meta.seq;
      writer.putRow({ ...row, server: null, base: server, lost: head, writes: [{ seq, data, schemaVersion }] });
      writer.putUnit({ seq, ids: [id], mutationId: newNonce(), bytes: bytesOf(data) });
    } else if (revisionOf(base) > head) writer.putRow({ ...row, server: null, lost: head });
    else if (isLost) writer.putRow({ ...row, server: null });
  }
}

async function endWalk(writer: Writer, head: number): Promise<void> {
  const { n, erased } = writer.meta.walk!;
  writer.meta.walk = undefined;
  for await (const row of writer.rows()) {
    if (row.walk === n) continue;
    const { lost, ...kept } = row;
    if (row.server && row.server.revision > head) continue; // written after the walk's last page
    writer.putRow({ ...kept, server: null, ...(lost !== undefined && { base: null }) });
  }
  if (erased) await eraseQueue(writer);
}

/** The user's data were erased elsewhere, and what waits here must not bring any of it back: the app is given it to decide. */
async function eraseQueue(writer: Writer): Promise<void> {
  writer.meta.claims = [];
  for await (const unit of writer.units()) await setAside(writer, unit, ERASED);
}
