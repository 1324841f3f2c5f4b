import { fromBase64, fromUTF8, toBase64, toUTF8 } from '../bytes.js';
import { SynclineError } from '../errors.js';
import type { Content } from './rows.js';

/** How an app's values become bytes. What it throws is told as `BAD_USER_INPUT` in writing, as `UNREADABLE` in reading. */
export interface Codec<T> {
  encode(value: T): Uint8Array;
  decode(bytes: Uint8Array): T;
}

/**
 * What all data passes through on its way to the storage and the network, and back: the place for encryption.
 * Both throw a `SynclineError` for what they refuse; a record that cannot be opened is shown as such, never as data.
 * `open` has to refuse what `seal` did not make: where a store is given a seal, what waits in it and opens counts as sealed, and is sent as it is.
 */
export interface Seal {
  seal(id: string, schemaVersion: string, data: Uint8Array): Uint8Array;
  open(id: string, schemaVersion: string, data: Uint8Array): Uint8Array;
}

/**
 * From a schema version to the next: each brings a value to the version of the one below it, the last to the app's own.
 * As an object, or as a list of pairs: JavaScript moves names of an object that are whole numbers before all others.
 */
export type Migrations = Readonly<Record<string, (value: never) => unknown>> | readonly (readonly [version: string, migrate: (value: never) => unknown])[];

export interface ValueOptions<T> {
  /** `json` by default. */
  codec?: 'json' | 'text' | 'bytes' | Codec<T>;
  /** The version of the values that this app writes, at most 15 bytes; empty by default. */
  schemaVersion?: string;
  /**
   * For values of older versions, run as they are read: by version, in order, oldest first. A record of a version
   * that is neither here nor the app's own is newer than the app: it is shown without its value, and not overwritten.
   */
  migrations?: Migrations;
  seal?: Seal;
}

const CODECS: Record<'json' | 'text' | 'bytes', Codec<unknown>> = {
  json: {
    encode(value) {
      const text = JSON.stringify(value) as string | undefined;
      if (text === undefined) throw new TypeError('the value has no JSON');
      return toUTF8(text);
    },
    decode: (bytes) => JSON.parse(fromUTF8(bytes)),
  },
  text: { encode: (text) => toUTF8(text as string), decode: fromUTF8 },
  bytes: { encode: (bytes) => bytes as Uint8Array, decode: (bytes) => bytes },
};

/** Values of an app, as data of records and back. */
export class Values<T> {
  readonly schemaVersion: string;
  readonly #codec: Codec<T>;
  readonly #migrations: [version: string, migrate: (value: unknown) => unknown][];
  readonly seal: Seal | undefined;

  constructor({ codec = 'json', schemaVersion = '', migrations = {}, seal }: ValueOptions<T>) {
    this.schemaVersion = schemaVersion;
    this.#codec = typeof codec === 'string' ? (CODECS[codec] as Codec<T>) : codec;
    this.#migrations = inOrder(migrations) as [string, (value: unknown) => unknown][];
    this.seal = seal;
  }

  /** Whether data are sealed, as the app's options say. */
  get isSealed(): boolean {
    return this.seal !== undefined;
  }

  /** What is kept and sent for a value. Throws `BAD_USER_INPUT`. */
  encode(id: string, value: T): Content {
    let bytes: Uint8Array;
    try {
      bytes = this.#codec.encode(value);
    } catch (cause) {
      throw new SynclineError('BAD_USER_INPUT', `${id}: the value cannot be written: ${(cause as Error).message}`, {}, { cause });
    }
    const { schemaVersion } = this;
    return { data: toBase64(this.seal?.seal(id, schemaVersion, bytes) ?? bytes), schemaVersion };
  }

  /** Throws `SCHEMA_NEWER` for content of a version that this app does not know, and so must not overwrite. */
  checkNewer(id: string, { schemaVersion }: Pick<Content, 'schemaVersion'>): void {
    if (schemaVersion === this.schemaVersion || this.#migrations.some(([version]) => version === schemaVersion)) return;
    throw new SynclineError('SCHEMA_NEWER', `${id} was written by a newer version of this app (${schemaVersion}): update it`, { schemaVersion });
  }

  /** The value in some content. Throws `SCHEMA_NEWER`, `UNREADABLE`, or what the seal throws. */
  decode(id: string, content: Content): T {
    this.checkNewer(id, content);
    const { data, schemaVersion } = content;
    const known = this.#migrations.findIndex(([version]) => version === schemaVersion);
    try {
      const bytes = fromBase64(data!);
      let value: unknown = this.#codec.decode(this.seal?.open(id, schemaVersion, bytes) ?? bytes);
      if (schemaVersion !== this.schemaVersion) for (const [, migrate] of this.#migrations.slice(known)) value = migrate(value);
      return value as T;
    } catch (cause) {
      if (cause instanceof SynclineError) throw cause;
      throw new SynclineError('UNREADABLE', `${id} cannot be read: ${(cause as Error).message}`, {}, { cause });
    }
  }

  /** Whether two contents are the same value: what is sealed twice differs in its bytes. */
  same(id: string, a: Content, b: Content): boolean {
    if (a.data === null || b.data === null) return a.data === b.data;
    if (a.schemaVersion !== b.schemaVersion) return false;
    if (a.data === b.data || !this.seal) return a.data === b.data;
    const [left, right] = [a, b].map(({ data }) => toBase64(this.seal!.open(id, a.schemaVersion, fromBase64(data!))));
    return left === right;
  }
}

/** An object's migrations as they were written down: the empty version is older than those that are numbers. Throws where nobody can tell. */
function inOrder(migrations: Migrations): readonly (readonly [string, unknown])[] {
  if (Array.isArray(migrations)) return migrations;
  const all = Object.entries(migrations);
  const others = all.filter(([version]) => String(Number(version) >>> 0) !== version);
  if (others.length === 0 || others.length === all.length) return all;
  if (others.length > 1 || others[0]![0] !== '') throw new TypeError('their order is unknown: list migrations as [version, function]');
  return [...others, ...all.slice(0, -1)];
}

const CONTROL = /[\p{Cc}\p{Surrogate}]/u;

/** Throws `BAD_USER_INPUT` for what no record can be called. */
export function checkId(id: string): string {
  const { length } = new TextEncoder().encode(id);
  if (length < 1 || length > 64 || CONTROL.test(id)) throw new SynclineError('BAD_USER_INPUT', 'an id is 1 to 64 bytes without control characters', { field: 'id' });
  return id;
}
