import { hkdf } from '@noble/hashes/hkdf.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';

import { toHex } from '../bytes.js';
import type { Bytes } from '../bytes.js';
import { SynclineError } from '../errors.js';
import type { Identity } from '../identity.js';
import type { Writer } from './ledger.js';
import { isClaimed, isStale } from './rows.js';
import type { Meta, Refused, Row, Unit } from './rows.js';
import type { Values } from './values.js';

const FORMAT = 'syncline store';
const VERSION = 1;
const TYPE = 'application/jsonl';
/** Keeps this key apart from any other use of a private key. */
const SALT = 'syncline store file v1';
const NEWLINE = 10;

/** The first line of a file. */
interface Header extends Pick<Meta, 'owner' | 'seq' | 'cursor' | 'complete' | 'walk' | 'walks' | 'claims'> {
  format: typeof FORMAT;
  version: number;
  /** The version of the values that the app wrote. */
  schemaVersion: string;
  /** Whether data are sealed. */
  sealed: boolean;
}

/** Each of the lines that follow. */
type Line = { row: Row } | { unit: Unit } | { refused: Refused };

/** What a file holds. */
export interface Contents {
  header: Header;
  lines: Line[];
}

/**
 * Everything that a store keeps, as lines of JSON (docs/offline.md), the last of which proves that the identity's
 * owner wrote the others. What waits is sent from now on as the file has it, by each store that has a copy: once in effect.
 */
export async function write(writer: Writer, identity: Identity, { schemaVersion, isSealed }: Values<unknown>): Promise<Blob> {
  await fix(writer);
  const { owner, seq, cursor, complete, walk, walks, claims } = writer.meta;
  const file = new Lines(identity);
  file.add({ format: FORMAT, version: VERSION, owner, schemaVersion, sealed: isSealed, seq, cursor, complete, ...(walk && { walk }), walks, claims } satisfies Header);
  for await (const row of writer.rows()) file.add({ row } satisfies Line);
  for await (const unit of writer.units()) file.add({ unit } satisfies Line);
  for (const refused of await writer.allRefused()) file.add({ refused } satisfies Line);
  return file.end();
}

class Lines {
  readonly #parts: Bytes[] = [];
  readonly #mac: ReturnType<typeof macOf>;

  constructor(identity: Identity) {
    this.#mac = macOf(identity);
  }

  add(line: unknown): void {
    const bytes = bytesOf(`${JSON.stringify(line)}\n`);
    this.#mac.update(bytes);
    this.#parts.push(bytes);
  }

  end(): Blob {
    return new Blob([...this.#parts, `{"hmac":"${toHex(this.#mac.digest())}"}\n`], { type: TYPE });
  }
}

function macOf(identity: Identity) {
  return hmac.create(sha256, hkdf(sha256, identity.exportBytes(), bytesOf(SALT), undefined, 32));
}

function bytesOf(text: string): Bytes {
  return new TextEncoder().encode(text);
}

/**
 * Decides how what waits is sent, by this store and by all that import it: each unit by itself as it is now, under its
 * mutation id, so that the server applies it once. What is to be merged first is left out, as are writes behind it:
 * what a merge makes of it is sent upon the state that it was merged with, by one of them.
 */
async function fix(writer: Writer): Promise<void> {
  const { meta } = writer;
  const claims = [...meta.claims];
  const waiting = new Set<string>();
  const at = Date.now();
  for await (const unit of writer.units()) {
    if (isClaimed(meta, unit.seq)) continue;
    const rows = await writer.rowsOf(unit);
    if (rows.some((row) => waiting.has(row.id) || (row.writes[0]!.seq === unit.seq && isStale(row)))) {
      for (const id of unit.ids) waiting.add(id);
      continue;
    }
    claims.push({ mutationId: unit.mutationId, seqs: [unit.seq], at });
  }
  meta.claims = claims;
}

/**
 * Reads a file whole. Throws `DAMAGED` for what is no file of {@link write} or was changed since, `OTHER_OWNER` for
 * another user's, `OTHER_ENCRYPTION` if one of the two is sealed, the file or the store, and `FORMAT_NEWER` for that of a
 * later release.
 */
export async function read(file: Blob, identity: Identity, { isSealed }: Values<unknown>): Promise<Contents> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const [header] = linesOf(bytes.subarray(0, bytes.indexOf(NEWLINE) + 1)) as [Header | undefined];
  if (header?.format !== FORMAT) throw damaged('this is no file that a store exported');
  if (!(header.version <= VERSION)) throw new SynclineError('FORMAT_NEWER', 'this file was exported by a newer version of this app: update it to import the file', { version: header.version });
  if (header.owner !== identity.publicKey) throw new SynclineError('OTHER_OWNER', 'this file has the data of another user: import that user\'s key first', { owner: header.owner });
  const end = bytes.lastIndexOf(NEWLINE, -2) + 1; // where the last line begins
  const [proof] = linesOf(bytes.subarray(end)) as [{ hmac?: string } | undefined];
  if (proof?.hmac !== toHex(macOf(identity).update(bytes.subarray(0, end)).digest())) throw damaged('this file is incomplete, or was changed since it was exported');
  if (header.sealed !== isSealed) throw new SynclineError('OTHER_ENCRYPTION', `this file was exported ${isSealed ? 'without' : 'with'} encryption, and is for an app that stores its data so`);
  return { header, lines: linesOf(bytes.subarray(0, end)).slice(1) as Line[] };
}

function linesOf(bytes: Uint8Array): unknown[] {
  try {
    const lines = new TextDecoder('utf-8', { fatal: true }).decode(bytes).split('\n');
    return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as unknown);
  } catch {
    throw damaged('this file cannot be read');
  }
}

function damaged(message: string): SynclineError {
  return new SynclineError('DAMAGED', message);
}

/** Puts a file's contents in place of all that the store has, none of which may wait to be sent or be set aside. */
export async function restore(writer: Writer, { header, lines }: Contents): Promise<void> {
  const { meta } = writer;
  if (meta.pending.count > 0 || meta.refused > 0) throw new SynclineError('WRITES_WAIT', 'there are writes here that the server does not have: have them sent, or drop them, before a file takes the place of all');
  const after = meta.seq; // numbers of units are not used twice
  const moved = <T extends { seq: number }>(each: T): T => ({ ...each, seq: each.seq + after });
  const { seq, cursor, complete, walk, walks, claims } = header;
  Object.assign(meta, { seq: seq + after, cursor, complete, walk, walks, imported: true, claims: claims.map((claim) => ({ ...claim, seqs: claim.seqs.map((each) => each + after) })) });
  for await (const { id } of writer.rows()) writer.putRow({ id, server: null, writes: [] });
  for (const line of lines) {
    if ('row' in line) writer.putRow({ ...line.row, writes: line.row.writes.map(moved) });
    else if ('unit' in line) writer.putUnit(moved(line.unit));
    else writer.putRefused(moved(line.refused));
  }
}
