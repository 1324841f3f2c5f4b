/** What a record holds, as it is kept and sent: base64, null where it is deleted. */
export interface Content {
  data: string | null;
  schemaVersion: string;
}

/** Of a record that is not there, or is to go. */
export const DELETED: Content = { data: null, schemaVersion: '' };

/** A record in a state that the server gave it. */
export interface State extends Content {
  revision: number;
  updatedAt: string;
}

/** A write that the server has not confirmed: what it makes of the record, and the unit of the queue that it belongs to. */
export interface Pending extends Content {
  seq: number;
}

/** All that is known of a record. */
export interface Row {
  id: string;
  /** The newest state known of the server; null: it has none. Deleted states stay while writes wait, or until the feed confirms them. */
  server: State | null;
  /** The state that the first of the writes was made upon: what it is compared with. */
  base?: State | null;
  /** The last walk from the beginning that brought it. */
  walk?: number;
  /** What the server lost by a restore: up to this revision its states come before `base`. */
  lost?: number;
  /** In the order in which they were made, the last being what the app sees; one that was refused stands alone. */
  writes: Pending[];
  /** Why its one write is set aside. */
  refused?: string;
}

/** Writes that go together or not at all; most often a single one. */
export interface Unit {
  /** Its place in the queue. */
  seq: number;
  ids: string[];
  /** New whenever the content is. */
  mutationId: string;
  bytes: number;
}

/** A unit that the server, or a merge, refused for good. */
export interface Refused extends Unit {
  code: string;
  message: string;
}

/** Units that are sent together; the same again until they are answered, whatever happens in between. */
export interface Claim {
  mutationId: string;
  seqs: number[];
  /** When it was noted, before it was sent or exported for the first time; Unix milliseconds of that device. */
  at: number;
}

/** A walk from the beginning, under way because the cursor was of no use any more. */
export interface Walk {
  n: number;
  /** Whether all that was there was erased after the cursor, as the server says. */
  erased?: boolean;
  /** The cursor that was of no use. The server is asked about it once more when the first page is there: what befell it meanwhile, the page does not say. */
  from?: string | undefined;
  /** Where a restore since then left the server, of which the records above are queued to be written again; null or Infinity: there was none. */
  head?: number | null | undefined;
}

/** The one entry about the whole store. */
export interface Meta {
  owner: string;
  /** Of this database, random: another one has another, also under the same name, as after the browser removed it. */
  life: string;
  /** Whether what waits is sealed: only stores that seal alike open it. Undefined: written by a release that did not note it. */
  sealed: boolean | undefined;
  /** Counts transactions that changed something. */
  version: number;
  /** The last unit's. */
  seq: number;
  /** Up to where the mirror is; null at the beginning. */
  cursor: string | null;
  /** Whether the mirror was ever complete. */
  complete: boolean;
  walk?: Walk | undefined;
  walks: number;
  /** The mirror is a file's, and the server has not told yet what came since: nothing is judged by it, or sent. */
  imported?: boolean | undefined;
  /** The first one is being sent. Others come after it in this order, as a file has them that was exported. */
  claims: Claim[];
  /** Units that wait to be sent, and bytes of their data. */
  pending: { count: number; bytes: number };
  refused: number;
  /** What was lost with the database before this one, in writes that the server did not have; null: the app knows. */
  evicted?: { pending: number } | null | undefined;
  /** Of units that the server did not take as they were, newest last, for those who wait for them. */
  endings: Ending[];
}

/** How far something is: after which transaction of which database. */
export interface Position {
  life: string | undefined;
  version: number;
}

/** A record as the app sees it. */
export interface View extends Content {
  id: string;
  /** 0 where the server has it not yet. */
  revision: number;
  /** When the server took the revision; empty where it has it not yet. */
  updatedAt: string;
  pending: boolean;
  refused: boolean;
}

/** What the app sees of a row; null where there is nothing to see. */
export function viewOf({ id, server, writes, refused }: Row): View | null {
  const shown = refused === 'ERASED' ? undefined : writes.at(-1);
  const { data, schemaVersion } = shown ?? server ?? DELETED;
  if (data === null) return null;
  const waits = shown !== undefined;
  return { id, data, schemaVersion, revision: revisionOf(server), updatedAt: server?.updatedAt ?? '', pending: waits && !refused, refused: waits && !!refused };
}

/** The bytes of base64, nearly. */
export function bytesOf(data: string | null): number {
  return data === null ? 0 : Math.floor((data.length * 3) / 4);
}

/** 0 where there is none. */
export function revisionOf(state: State | null | undefined): number {
  return state?.revision ?? 0;
}

/** Whether a row's first write was made upon another state than the server has: it is to be merged first. */
export function isStale({ server, base, writes }: Row): boolean {
  const [first] = writes;
  if (!first) return false;
  const nothing = first.data === null && base?.data == null;
  return nothing || revisionOf(base) !== revisionOf(server);
}

/** Whether a unit's content, and what it is sent with, is not to be changed before it is answered. */
export function isClaimed({ claims }: Meta, seq: number): boolean {
  return claims.some(({ seqs }) => seqs.includes(seq));
}

/** How a unit ended: taken by the server, by an error, or in another unit. */
export interface Ending {
  seq: number;
  error?: { code: string; message: string };
  by?: number;
}
