import { REMEMBERED } from '../repeatable.js';
import { newNonce } from '../signing.js';
import { sizeOf } from './ledger.js';
import type { Reader, Writer } from './ledger.js';
import { bytesOf, DELETED, isClaimed, isStale, revisionOf } from './rows.js';
import type { Claim, Content, Pending, Refused, Row, State, Unit } from './rows.js';

/** What an app writes: new content of a record, or its end, where data is null. */
export interface Operation extends Content {
  id: string;
}

/** A write as the server takes it: on the revision that it was made upon. */
export interface Outgoing extends Operation {
  revision: number;
}

/** Bytes of base64 that one request may carry; the server takes 1 MiB in all. */
const MOST_BYTES = 700_000;

/** The error of a unit that is set aside because its user's data were erased on another device. */
export const ERASED = { code: 'ERASED', message: 'the data of this user were erased on another device after this was written' };

const TOO_OLD = {
  code: 'TOO_OLD_TO_RETRY',
  message: 'sent or exported a day ago, it may have been stored and changed since: write it again if the server lacks it',
};

/**
 * Adds writes that go together to the queue. A single one takes the place of one that waits for the same record, as
 * long as that is not being sent. Answers the unit that carries them; undefined if there was nothing to do.
 */
export async function enqueue(writer: Writer, operations: readonly Operation[]): Promise<number | undefined> {
  if (operations.length === 1) {
    const row = await writer.row(operations[0]!.id);
    const last = row?.writes.at(-1);
    if (last && row?.refused !== ERASED.code && !isClaimed(writer.meta, last.seq)) return replace(writer, row!, last, operations[0]!);
  }
  const seq = writer.meta.seq + 1;
  const taken: Operation[] = [];
  for (const operation of operations) {
    const { id, data, schemaVersion } = operation;
    const row: Row = (await writer.row(id)) ?? { id, server: null, writes: [] };
    const erased = row.refused === ERASED.code; // nothing of it comes back
    const shown = erased ? row.server : (row.writes.at(-1) ?? row.server);
    if (data === null && shown?.data == null) continue; // deleted already
    const { refused, writes, ...kept } = row;
    if (refused) await leave(writer, (await writer.refused(writes[0]!.seq))!, row);
    const earlier = refused ? [] : writes;
    writer.putRow({ ...kept, base: (writes.length > 0 && !erased ? row.base : row.server) ?? null, writes: [...earlier, { seq, data, schemaVersion }] });
    taken.push(operation);
  }
  if (taken.length === 0) return undefined;
  writer.meta.seq = seq;
  writer.putUnit({ seq, ids: taken.map(({ id }) => id), mutationId: newNonce(), bytes: sizeOf(taken) });
  return seq;
}

async function replace(writer: Writer, row: Row, last: Pending, { id, data, schemaVersion }: Operation): Promise<number> {
  if (row.refused) await retry(writer, last.seq);
  const { refused: _, ...kept } = row;
  const unit = (await writer.unit(last.seq))!;
  const earlier = row.writes.slice(0, -1);
  if (data === null && earlier.length === 0 && row.base?.data == null) {
    writer.putRow({ ...kept, writes: [] }); // the server never had it
    shrink(writer, unit, id, last);
    return last.seq;
  }
  writer.putRow({ ...kept, writes: [...earlier, { seq: last.seq, data, schemaVersion }] });
  writer.renew(unit, bytesOf(data) - bytesOf(last.data));
  return last.seq;
}

/** Takes one record's write out of a unit that waits; the last one takes the unit along. */
export function shrink(writer: Writer, unit: Unit, id: string, { data }: Content): void {
  const ids = unit.ids.filter((each) => each !== id);
  if (ids.length > 0) return writer.renew(unit, -bytesOf(data), ids);
  writer.removeUnit(unit);
  writer.end(unit.seq);
}

/** Takes one record's write out of a unit that is set aside. */
async function leave(writer: Writer, refused: Refused, { id, writes }: Row): Promise<void> {
  const ids = refused.ids.filter((each) => each !== id);
  writer.removeRefused(refused);
  if (ids.length > 0) writer.putRefused({ ...refused, ids, bytes: refused.bytes - bytesOf(writes[0]!.data) });
}

/** Puts a unit that was set aside back into its place in the queue. */
export async function retry(writer: Writer, seq: number): Promise<void> {
  const found = await writer.refused(seq);
  if (!found) return;
  const { code: _, message: __, ...unit } = found;
  writer.removeRefused(found);
  writer.putUnit({ ...unit, mutationId: newNonce() });
  writer.meta.endings = writer.meta.endings.filter((each) => each.seq !== seq); // it has not ended
  for (const id of unit.ids) {
    const { refused: ___, ...row } = (await writer.row(id))!;
    writer.putRow(found.code === ERASED.code ? { ...row, base: null } : row);
  }
}

/** Gives up a unit that was set aside: the app sees what the server has. */
export async function drop(writer: Writer, seq: number): Promise<void> {
  const found = await writer.refused(seq);
  if (!found) return;
  writer.removeRefused(found);
  for (const id of found.ids) writer.putRow(settled({ ...(await writer.row(id))!, writes: [] }));
}

/** A row without writes needs no tombstone that the feed brought. */
export function settled(row: Row): Row {
  return row.writes.length === 0 && row.server?.data === null ? { ...row, server: null } : row;
}

/** Sets a unit aside, with its reason. What was written later to one of its records goes in its place. */
export async function setAside(writer: Writer, unit: Unit, reason: { code: string; message: string }): Promise<void> {
  const kept: Unit = { ...unit, ids: [] };
  for (const id of unit.ids) {
    const row = (await writer.row(id))!;
    const own = row.writes.find(({ seq }) => seq === unit.seq)!;
    if (row.writes.length === 1) {
      writer.putRow({ ...row, refused: reason.code });
      kept.ids.push(id);
    } else {
      writer.putRow({ ...row, writes: row.writes.filter((each) => each !== own) });
      kept.bytes -= bytesOf(own.data);
    }
  }
  writer.removeUnit(unit);
  writer.end(unit.seq, reason);
  const { code, message } = reason;
  if (kept.ids.length > 0) writer.putRefused({ ...kept, code, message });
}

/** What is to be sent next, and which records are to be merged before they can be. */
export interface Turn {
  /** Empty: there is nothing to send. */
  writes: Outgoing[];
  /** As it was noted. */
  claim?: Claim;
  /** Where each unit begins among the writes. */
  units: { seq: number; at: number }[];
  stale: string[];
}

/**
 * Decides what is sent next, and notes it, so that exactly that is sent again until it is answered: whole units, in
 * order, each record once, at most so many writes. What waits for a merge, or for what was written to its record
 * before, holds up nothing else. Undefined amid a walk, or after an import: what the server has is not known before all is fetched.
 */
export async function claim(writer: Writer, limit: number, held: ReadonlySet<string>): Promise<Turn | undefined> {
  const turn: Turn = { writes: [], units: [], stale: [] };
  const { meta } = writer;
  if (meta.walk || meta.imported) return undefined;
  if (meta.claims[0] && !(Math.abs(Date.now() - meta.claims[0].at) < REMEMBERED)) await expire(writer);
  const [first] = meta.claims;
  if (first) {
    turn.claim = first;
    for (const seq of first.seqs) await take(writer, turn, (await writer.unit(seq))!);
    return turn;
  }
  const waiting = new Set(held);
  let bytes = 0;
  let mutationId = '';
  for await (const unit of writer.units()) {
    const rows = await writer.rowsOf(unit);
    const stale = rows.filter((row) => row.writes[0]!.seq === unit.seq && isStale(row)).map(({ id }) => id);
    turn.stale.push(...stale.filter((id) => !held.has(id)));
    if (stale.length > 0 || unit.ids.some((id) => waiting.has(id))) {
      for (const id of unit.ids) waiting.add(id);
      continue;
    }
    const early = rows.some((row) => row.writes[0]!.seq !== unit.seq); // what comes before is in this turn
    if (early || (turn.writes.length > 0 && (turn.writes.length + unit.ids.length > limit || bytes + unit.bytes * 1.4 > MOST_BYTES))) break;
    bytes += unit.bytes * 1.4;
    mutationId ||= unit.mutationId;
    await take(writer, turn, unit);
    if (turn.writes.length >= limit) break;
  }
  if (turn.writes.length > 0) {
    turn.claim = { mutationId, seqs: turn.units.map(({ seq }) => seq), at: Date.now() };
    meta.claims = [turn.claim];
  }
  return turn;
}

/** The server may have forgotten the mutation ids of claims. What comes after the first one is sent only once that is stored. */
async function expire(writer: Writer): Promise<void> {
  const { claims } = writer.meta;
  writer.meta.claims = [];
  for (const claim of claims) await judge(writer, claim);
}

/**
 * The server has stored all of a claim or nothing. Nothing, if one of the records is as it was, or waits for an earlier
 * write: then all goes out again, under a new id. Otherwise what the server has as it was written is done, and nobody
 * knows of the rest whether somebody changed it before or after: that is set aside.
 */
async function judge(writer: Writer, { seqs }: Claim): Promise<void> {
  const units: { unit: Unit; rows: Row[] }[] = [];
  for (const seq of seqs) {
    const unit = (await writer.unit(seq))!;
    units.push({ unit, rows: await writer.rowsOf(unit) });
  }
  const nothing = units.some(({ unit, rows }) => rows.some(({ base, server, writes }) => revisionOf(base) === revisionOf(server) || writes[0]!.seq !== unit.seq));
  for (const { unit, rows } of units) {
    writer.renew(unit);
    if (nothing) continue;
    for (const row of rows) {
      const [own, ...later] = row.writes as [Pending, ...Pending[]];
      const { data, schemaVersion } = row.server ?? DELETED;
      if (own.data !== data || (data !== null && own.schemaVersion !== schemaVersion)) continue;
      writer.putRow(settled({ ...row, base: row.server, writes: later }));
      shrink(writer, (await writer.unit(unit.seq))!, row.id, own);
    }
    const rest = await writer.unit(unit.seq);
    if (rest) await setAside(writer, rest, TOO_OLD);
  }
}

async function take(reader: Reader, turn: Turn, unit: Unit): Promise<void> {
  turn.units.push({ seq: unit.seq, at: turn.writes.length });
  for (const { id, writes, base } of await reader.rowsOf(unit)) {
    const { data, schemaVersion } = writes[0]!;
    turn.writes.push({ id, data, schemaVersion, revision: revisionOf(base) });
  }
}

/** Whether a turn is still the one that is being sent: another tab may have had the answer before, and sent other units since. */
function isCurrent(writer: Writer, turn: Turn): boolean {
  return JSON.stringify(writer.meta.claims[0]) === JSON.stringify(turn.claim);
}

/**
 * A turn ends otherwise than by success. Claims behind it that touch one of its records are none any more: they were to
 * be sent once it is stored, so nobody has sent them, nor will.
 */
async function withdraw(writer: Writer, turn: Turn): Promise<void> {
  const touched = new Set(turn.writes.map(({ id }) => id));
  const kept: Claim[] = [];
  for (const claim of writer.meta.claims.slice(1)) {
    const units = await Promise.all(claim.seqs.map((seq) => writer.unit(seq)));
    const ids = units.flatMap((unit) => unit!.ids);
    if (!ids.some((id) => touched.has(id))) kept.push(claim);
    else for (const id of ids) touched.add(id);
  }
  writer.meta.claims = kept;
}

/**
 * Nothing of a turn was written, and it is not on its way any more. What was written later to a record of a single
 * write takes its place, as it would have if that had not been on its way.
 */
async function release(writer: Writer, turn: Turn): Promise<void> {
  await withdraw(writer, turn);
  for (const { seq } of turn.units) {
    const unit = (await writer.unit(seq))!;
    const row = (await writer.row(unit.ids[0]!))!;
    const [first, second, ...later] = row.writes;
    const next = second && (await writer.unit(second.seq))!;
    if (!next || unit.ids.length > 1 || next.ids.length > 1) continue;
    writer.putRow({ ...row, writes: [{ ...second, seq }, ...later] });
    writer.renew(unit, bytesOf(second.data) - bytesOf(first!.data));
    writer.removeUnit(next);
    writer.end(next.seq, undefined, seq);
  }
}

/** What the server answered to one write of a turn. */
export interface Answer {
  status: 'SUCCESS' | 'CONFLICT' | 'SKIPPED';
  newRevision: number | null;
  /** The record as it is now. */
  record: State | null;
}

/** The server has all of a turn. */
export async function stored(writer: Writer, turn: Turn, answers: readonly Answer[]): Promise<void> {
  if (!isCurrent(writer, turn)) return;
  const units = await Promise.all(turn.units.map(({ seq }) => writer.unit(seq)));
  const rows = await writer.rowsOf({ ids: turn.writes.map(({ id }) => id) });
  for (const [i, row] of rows.entries()) {
    const [{ data, schemaVersion }, ...later] = row.writes as [Pending, ...Pending[]];
    const { newRevision, record } = answers[i]!;
    const own: State = { data, schemaVersion, revision: newRevision!, updatedAt: record?.updatedAt ?? '' };
    const now = record ?? { ...own, data: null };
    const server = now.revision > revisionOf(row.server) ? now : row.server;
    writer.putRow({ ...row, server, base: own, writes: later });
  }
  for (const unit of units) {
    writer.removeUnit(unit!);
    writer.end(unit!.seq);
  }
  writer.meta.claims = writer.meta.claims.slice(1);
}

/** Nothing of a turn was written, because some records are not what they were taken for. */
export async function clashed(writer: Writer, turn: Turn, answers: readonly Answer[]): Promise<void> {
  if (!isCurrent(writer, turn)) return;
  await release(writer, turn);
  for (const [i, { id }] of turn.writes.entries()) {
    const { status, record } = answers[i]!;
    if (status !== 'CONFLICT') continue;
    const row = (await writer.row(id))!;
    if (record === null || record.revision > revisionOf(row.server)) writer.putRow({ ...row, server: record });
  }
}

/** Nothing of a turn was written, nor will be: sets a unit aside, or all will be tried in smaller parts. */
export async function refused(writer: Writer, turn: Turn, reason: { code: string; message: string }, at?: number): Promise<void> {
  if (!isCurrent(writer, turn)) return;
  await withdraw(writer, turn);
  const culprit = turn.units.length === 1 ? turn.units[0] : at === undefined ? undefined : turn.units.findLast((unit) => unit.at <= at);
  if (culprit) await setAside(writer, (await writer.unit(culprit.seq))!, reason);
}

/** The turn's mutation id was used for something else, as by a copy of this database: sends it as a new one. */
export async function renamed(writer: Writer, turn: Turn): Promise<void> {
  if (!isCurrent(writer, turn)) return;
  await withdraw(writer, turn);
  for (const { seq } of turn.units) writer.renew((await writer.unit(seq))!);
}
