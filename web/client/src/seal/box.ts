import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';

import type { Bytes } from '../bytes.js';
import { SynclineError } from '../errors.js';
import { utf8 } from './derive.js';

/** What is sealed. */
export interface RecordToSeal {
  id: string;
  schemaVersion?: string;
  data: Uint8Array;
  /**
   * The revision that the write names: the one that was last seen, 0 for a new
   * record. By it, readers notice a server that answers an old state.
   */
  seen?: number;
  /** The server knows the record by `hiddenId(id)`, and the box keeps the id. */
  hidden?: boolean;
}

/** A record as the server has it. */
export interface StoredRecord {
  /** The server's: the hidden one where ids are hidden. */
  id: string;
  schemaVersion?: string;
  box: Uint8Array;
  /** The record's revision. Without it no old state is noticed. */
  revision?: number;
  /** The newest revision at which this record was seen before, deleted or not. */
  lastSeen?: number;
}

/** What was sealed. */
export interface OpenedRecord {
  id: string;
  data: Bytes;
  seen: number;
  hidden: boolean;
}

/** What of a key boxes are made with. */
export interface BoxKey {
  data: Uint8Array;
  id: Uint8Array;
  hiddenId(id: string): string;
  placeOf(id: string, schemaVersion: string): Uint8Array;
}

/** Bytes that a box has at most: what servers take by default. */
const MOST = 65_536;
const LEAST = 128;
const VERSION = 1;
/** Begins every box, and no UTF-8. */
const MARK = [0xff, 0x53, 0x42];
/** Bytes that tell which key made a box. */
export const KEY_ID_BYTES = 8;
/** Bytes that tell which record a box belongs to. */
export const PLACE_BYTES = 16;

const LENGTH_AT = 4;
const KEY_ID_AT = 8;
const PLACE_AT = KEY_ID_AT + KEY_ID_BYTES;
const NONCE_AT = PLACE_AT + PLACE_BYTES;
const HEADER = NONCE_AT + 24;
const TAG = 16;
/** The revision, and the length of a hidden id. */
const INNER = 8 + 1;
const PADDING = 0x80;

/** Bytes of data that a box has room for; fewer by the bytes of the id where that is hidden. */
export const MAX_DATA = MOST - HEADER - TAG - INNER - 1;

export function sealBox(key: BoxKey, record: RecordToSeal, nonce: Uint8Array): Bytes {
  const { id, schemaVersion = '', data, seen = 0, hidden = false } = record;
  const hiddenId = utf8(hidden ? id : '');
  const used = HEADER + TAG + INNER + hiddenId.length + data.length + 1;
  if (used > MOST || hiddenId.length > 255) throw new SynclineError('TOO_LARGE', `the record is too large to be encrypted: ${data.length} bytes, and there is room for ${MAX_DATA - hiddenId.length}`);
  if (!Number.isSafeInteger(seen) || seen < 0) throw new SynclineError('BAD_USER_INPUT', 'a revision is an integer from 0 to 2^53-1', { field: 'seen' });
  const size = padded(used);

  const inner = new Uint8Array(size - HEADER - TAG);
  new DataView(inner.buffer).setUint32(0, Math.floor(seen / 2 ** 32));
  new DataView(inner.buffer).setUint32(4, seen % 2 ** 32);
  inner[INNER - 1] = hiddenId.length;
  inner.set(hiddenId, INNER);
  inner.set(data, INNER + hiddenId.length);
  inner[INNER + hiddenId.length + data.length] = PADDING;

  const box = new Uint8Array(size);
  box.set([...MARK, VERSION]);
  new DataView(box.buffer).setUint32(LENGTH_AT, size);
  box.set(key.id, KEY_ID_AT);
  box.set(key.placeOf(hidden ? key.hiddenId(id) : id, schemaVersion), PLACE_AT);
  box.set(nonce, NONCE_AT);
  box.set(xchacha20poly1305(key.data, nonce, box.slice(0, HEADER)).encrypt(inner), HEADER);
  return box;
}

export function openBox(key: BoxKey, stored: StoredRecord): OpenedRecord {
  const { id, schemaVersion = '', box } = stored;
  checkForm(box);
  const header = box.slice(0, HEADER);
  if (!isSame(header.subarray(KEY_ID_AT, PLACE_AT), key.id)) throw new SynclineError('WRONG_KEY', 'the data is encrypted by another key');
  let inner: Uint8Array;
  try {
    inner = xchacha20poly1305(key.data, header.subarray(NONCE_AT), header).decrypt(box.slice(HEADER));
  } catch {
    throw damaged();
  }
  // What follows was written by somebody who has the key.
  if (!isSame(header.subarray(PLACE_AT, NONCE_AT), key.placeOf(id, schemaVersion))) throw swapped();
  const opened = readInner(inner);
  if (!opened.hidden) opened.id = id;
  else if (key.hiddenId(opened.id) !== id) throw swapped();
  if (isRolledBack(opened.seen, stored)) throw new SynclineError('ROLLED_BACK', 'the encrypted data is an older state of the record');
  return opened;
}

/** Whether some bytes are a box, or a part of one: no text begins so. */
export function isBox(bytes: Uint8Array): boolean {
  return MARK.every((byte, i) => bytes[i] === byte);
}

/** Checks what can be checked without a key. */
function checkForm(box: Uint8Array): void {
  const truncated = () => new SynclineError('TRUNCATED', 'the encrypted data lacks its end');
  if (!isBox(box)) throw new SynclineError('NOT_ENCRYPTED', 'the data is not encrypted');
  if (box.length <= MARK.length) throw truncated();
  if (box[MARK.length] !== VERSION) throw new SynclineError('ENCRYPTION_VERSION', 'the data is encrypted in a format that this release does not know');
  if (box.length < KEY_ID_AT) throw truncated();
  const size = new DataView(box.buffer, box.byteOffset).getUint32(LENGTH_AT);
  if (size < LEAST || size > MOST || padded(size) !== size) throw damaged();
  if (box.length < size) throw truncated();
  if (box.length > size) throw damaged();
}

function readInner(inner: Uint8Array): OpenedRecord {
  let end = inner.length - 1;
  while (inner[end] === 0) end--;
  const view = new DataView(inner.buffer, inner.byteOffset);
  const seen = view.getUint32(0) * 2 ** 32 + view.getUint32(4);
  const idEnd = INNER + (inner[INNER - 1] ?? 0);
  if (end < INNER || inner[end] !== PADDING || idEnd > end || !Number.isSafeInteger(seen)) throw damaged();
  return { id: new TextDecoder('utf-8', { ignoreBOM: true }).decode(inner.subarray(INNER, idEnd)), data: inner.slice(idEnd, end), seen, hidden: idEnd > INNER };
}

/**
 * That a box cannot be what a server that keeps its promises has at this revision.
 * `seen` is the revision that its writer named: a write that came after `lastSeen`
 * named that or a later one, unless it made the record again after a deletion.
 */
function isRolledBack(seen: number, { revision, lastSeen = 0 }: StoredRecord): boolean {
  if (!revision) return false;
  if (seen >= revision || revision < lastSeen) return true;
  return revision > lastSeen && seen !== 0 && seen < lastSeen;
}

/**
 * The class of a size, by Padmé (Nikitin et al., "Reducing Metadata Leakage from
 * Encrypted Files and Communication with PURBs", 2019): at most an eighth more, and
 * so few classes that a size tells little.
 */
function padded(size: number): number {
  if (size <= LEAST) return LEAST;
  const exponent = 31 - Math.clz32(size);
  const mask = 2 ** (exponent - (32 - Math.clz32(exponent))) - 1;
  return (size + mask) & ~mask;
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

const damaged = () => new SynclineError('DAMAGED', 'the encrypted data was changed');
const swapped = () => new SynclineError('SWAPPED', 'the encrypted data belongs to another record or schema version');
