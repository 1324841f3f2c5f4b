import { newRxError } from 'rxdb';
import type { ReplicationOptions, RxCollection, RxReplicationWriteToMasterRow, WithDeleted } from 'rxdb';
import { replicateRxCollection } from 'rxdb/plugins/replication';
import type { RxReplicationState } from 'rxdb/plugins/replication';
import { errorToPlainJson } from 'rxdb/plugins/utils';
import { Observable } from 'rxjs';

import { onAbort } from './abort.js';
import { decodeText, encodeText } from './bytes.js';
import { SynclineError } from './errors.js';
import { followHints } from './hints.js';
import type { Live } from './hints.js';
import type { Session } from './session.js';
import { newNonce } from './signing.js';
import { isEqual } from './store/merge.js';
import { Remote } from './store/remote.js';
import type { Page } from './store/mirror.js';
import type { State } from './store/rows.js';

export interface SynclineReplicationOptions<T> extends Pick<ReplicationOptions<T, SynclineCheckpoint>, 'retryTime' | 'waitForLeadership' | 'autoStart'> {
  collection: RxCollection<T>;
  /** Whose records they are. The replication is canceled when another identity takes over: that user needs another database. */
  session: Session;
  /** Tells of changes elsewhere; without it the server is asked every `pollSeconds`. */
  live?: Live;
  /** How often the server is asked while nothing tells of changes; 15 by default. */
  pollSeconds?: number;
  /** The beginning of the ids of the collection's records, before the primary key; the collection's name and a slash by default. */
  prefix?: string;
  /** How many documents are pulled at a time, 1 to 1000; 500 by default. */
  batchSize?: number;
  /** Free text that goes with each write, 1 to 64 bytes. */
  clientId?: string;
  /** Sends requests; the platform's `fetch` by default. */
  fetch?: typeof fetch;
}

/** Up to where documents were pulled, as RxDB keeps it. */
export interface SynclineCheckpoint {
  cursor: string | null;
  /** All up to this revision was pulled. */
  revision: number;
  /** Under way because the cursor was of no use any more; `lost`: what was pulled above this revision was lost by a restore. */
  walk: { id: string; lost: number | null } | null;
}

const BEGINNING: SynclineCheckpoint = { cursor: null, revision: 0, walk: null };

/**
 * Replicates a collection of RxDB with the records of a user whose ids begin with `prefix`, in both directions, until it is
 * canceled. Documents travel as JSON, not encrypted. What was changed on both sides goes to the collection's conflict handler.
 *
 * When the server has forgotten deletions since the last time, all documents are pulled again, and those that are gone
 * are deleted here. After a restore from a backup, what the server lost of them is written again.
 *
 * `error$` tells what fails, and it is tried again after `retryTime`. What no retry mends (a document above 64 KiB, a quota)
 * keeps later writes of this collection waiting.
 */
export function replicateSyncline<T>(options: SynclineReplicationOptions<T>): RxReplicationState<T, SynclineCheckpoint> {
  const { collection, session, live, pollSeconds, prefix = `${collection.name}/`, batchSize = 500, clientId, fetch: send, ...rest } = options;
  const remote = new Remote(session, { ...(clientId && { clientId }), ...(send && { fetch: send }) });
  const documents = new Documents(collection, prefix, remote, session.signal, (error) =>
    replication.subjects.error.next(newRxError('RC_PULL', { errors: [errorToPlainJson(error)], direction: 'pull' })),
  );
  const replication: RxReplicationState<T, SynclineCheckpoint> = replicateRxCollection<T, SynclineCheckpoint>({
    ...rest,
    replicationIdentifier: `syncline ${session.url.href} ${session.identity.publicKey} ${prefix}`,
    collection,
    live: true,
    pull: { batchSize, stream$: hintsOf(live, pollSeconds), handler: (checkpoint, limit) => documents.pull(checkpoint ?? BEGINNING, limit) },
    push: { batchSize: PORTION, handler: (rows) => documents.push(rows) },
  });
  const forget = onAbort(session.signal, () => void replication.cancel());
  replication.canceled$.subscribe((canceled) => canceled && forget());
  return replication;
}

/** That there may be something to pull. What that is comes by pages. */
function hintsOf(live: Live | undefined, pollSeconds = 15): Observable<'RESYNC'> {
  return new Observable((subscriber) => {
    const over = new AbortController();
    let heard = false;
    const pull = () => subscriber.next('RESYNC');
    const timer = setInterval(() => heard || pull(), pollSeconds * 1000);
    if (live) {
      void followHints(live, (subscribed) => {
        heard = subscribed;
        pull();
      }, over.signal);
    }
    return () => {
      clearInterval(timer);
      over.abort();
    };
  });
}

const RECORDS = 'query Records($ids: [ID!]!) { records(ids: $ids) { data revision schemaVersion updatedAt } }';

/** Documents whose present records are asked for at a time: at most 4 MiB come back. */
const PORTION = 50;
/** Bytes of base64 that one request may carry; the server takes 1 MiB in all. */
const MOST_BYTES = 700_000;
/** Refusals that would come again. */
const FOR_GOOD = ['BAD_USER_INPUT', 'QUOTA_EXCEEDED'];

/** A document as RxDB hands it over. */
type Document = Record<string, unknown> & { _deleted?: boolean };

/** A document without what RxDB adds; undefined where it is deleted, or was never there. */
type Content = Record<string, unknown> | undefined;

interface Present {
  revision: number;
  content: Content;
}

type Row<T> = RxReplicationWriteToMasterRow<T>;

/** The records of a collection at the server. */
class Documents<T> {
  /** Keys of documents that a walk brought. They are forgotten with the process; then it begins once more. */
  #seen: { walk: string; keys: Set<string> } | undefined;
  /** Where a pull that found nothing for this collection ended, by where it began: RxDB keeps no checkpoint of it. */
  #skipped: { from: string | null; to: SynclineCheckpoint } | undefined;

  constructor(
    private readonly collection: RxCollection<T>,
    private readonly prefix: string,
    private readonly remote: Remote,
    private readonly signal: AbortSignal,
    private readonly failed: (error: SynclineError) => void,
  ) {}

  /** As many documents as are wanted, unless there are no more: RxDB takes fewer for the end. */
  async pull(checkpoint: SynclineCheckpoint, limit: number): Promise<{ documents: WithDeleted<T>[]; checkpoint: SynclineCheckpoint }> {
    let at = this.#begin(checkpoint);
    let documents: WithDeleted<T>[] = [];
    for (let more = true; more && documents.length < limit; ) {
      const page = await this.remote.page(at.cursor, this.signal, limit - documents.length).catch((error: SynclineError) => {
        at = this.#walkAgain(at, error);
        documents = [];
      });
      if (!page) continue;
      documents.push(...(await this.#take(page, at)));
      more = page.hasMore;
      at = { ...at, cursor: page.cursor, revision: more ? Math.max(at.revision, page.records.at(-1)?.revision ?? 0) : page.head };
      if (more || !at.walk) continue;
      documents.push(...(await this.#endWalk(at.walk)));
      at.walk = null;
    }
    this.#skipped = documents.length === 0 ? { from: checkpoint.cursor, to: at } : undefined;
    return { documents, checkpoint: at };
  }

  #begin(checkpoint: SynclineCheckpoint): SynclineCheckpoint {
    const { cursor, walk } = checkpoint;
    if (this.#skipped?.from === cursor) return this.#skipped.to;
    return walk && walk.id !== this.#seen?.walk ? this.#walk(checkpoint, walk.lost) : checkpoint;
  }

  /** Throws an error that has nothing to do with the cursor. */
  #walkAgain(at: SynclineCheckpoint, error: SynclineError): SynclineCheckpoint {
    const { code, extensions } = error;
    const before = at.walk?.lost ?? null;
    if (code === 'EPOCH_MISMATCH') {
      const restored = Number(extensions['restoredHead']);
      // Of what was pulled up to there the server lost nothing: what it lacks was deleted.
      return this.#walk(at, at.revision > restored ? Math.min(restored, before ?? restored) : before);
    }
    // A cursor that the server cannot read is of no more use than one that is too old.
    if (code === 'CURSOR_TOO_OLD' || (code === 'BAD_USER_INPUT' && at.cursor)) return this.#walk(at, before);
    throw error;
  }

  /** From the beginning. */
  #walk({ revision }: SynclineCheckpoint, lost: number | null): SynclineCheckpoint {
    const id = newNonce();
    this.#seen = { walk: id, keys: new Set() };
    return { cursor: null, revision, walk: { id, lost } };
  }

  async #take({ records }: Page, { walk }: SynclineCheckpoint): Promise<WithDeleted<T>[]> {
    const own = records.filter(({ id }) => id.startsWith(this.prefix));
    const lost = walk?.lost ?? -1;
    const here = await this.#here(own.filter(({ data, revision }) => data === null || revision <= lost).map(({ id }) => this.#keyOf(id)));
    const documents: Document[] = [];
    const again: Row<T>[] = [];
    for (const record of own) {
      const key = this.#keyOf(record.id);
      if (walk) this.#seen!.keys.add(key);
      const known = here.get(key);
      let content: Content;
      try {
        content = this.#read(record.id, record);
      } catch (error) {
        this.failed(error as SynclineError);
        continue;
      }
      const theirs = documentOf(content, { ...known, [this.collection.schema.primaryPath]: key });
      // This device has what the server lost of it.
      if (record.revision <= lost && known && !known._deleted && !isEqual(contentOf(known), content)) again.push({ newDocumentState: known, assumedMasterState: theirs } as Row<T>);
      else documents.push(theirs);
    }
    await this.push(again);
    return documents as WithDeleted<T>[];
  }

  /** What the walk did not bring was deleted, unless the server lost it. */
  async #endWalk({ lost }: { lost: number | null }): Promise<WithDeleted<T>[]> {
    const { keys } = this.#seen!;
    const all = (await this.collection.find().exec()).map((document) => document.toJSON() as Document);
    const gone = all.filter((document) => !keys.has(String(document[this.collection.schema.primaryPath])));
    if (lost === null) return gone.map((document) => ({ ...document, _deleted: true })) as WithDeleted<T>[];
    await this.push(gone.map((document) => ({ newDocumentState: { ...document, _deleted: false } }) as Row<T>));
    return [];
  }

  /** Writes documents; answers those that clash, as they are at the server. */
  async push(rows: readonly Row<T>[]): Promise<WithDeleted<T>[]> {
    const conflicts: Document[] = [];
    for (let i = 0; i < rows.length; i += PORTION) conflicts.push(...(await this.#write(rows.slice(i, i + PORTION))));
    return conflicts as WithDeleted<T>[];
  }

  async #write(rows: readonly Row<T>[]): Promise<Document[]> {
    const { schema } = this.collection;
    const wanted = rows.map(({ newDocumentState, assumedMasterState }) => {
      const mine = newDocumentState as Document;
      const key = String(mine[schema.primaryPath]);
      this.#seen?.keys.add(key); // a walk that passed it already does not tell that it is gone
      const content = contentOf(mine);
      const data = content ? encodeText(JSON.stringify(content)) : null;
      const before = assumedMasterState as Document | undefined;
      return { id: this.prefix + key, mine, content, data, before, assumed: before && contentOf(before) };
    });
    const present = await this.#present(wanted.map(({ id }) => id));
    const conflicts: Document[] = [];
    let failure: SynclineError | undefined;
    for (let [open, most] = [wanted, PORTION]; open.length > 0; ) {
      // What the server has already was written by a request whose answer was lost, or by another device.
      open = open.filter(({ id, content }) => !isEqual(content, present.get(id)?.content));
      const clashes = open.filter(({ id, assumed }) => !isEqual(assumed, present.get(id)?.content));
      conflicts.push(...clashes.map(({ id, mine, before }) => documentOf(present.get(id)?.content, before ?? mine)));
      open = open.filter((each) => !clashes.includes(each));
      if (open.length === 0) break;
      const sent = open.slice(0, fitting(open, most));
      const writes = sent.map(({ id, data }) => ({ id, data, revision: present.get(id)?.revision ?? 0, schemaVersion: String(schema.version) }));
      try {
        const { status, results } = await this.remote.write(newNonce(), writes, this.signal);
        if (status === 'SUCCESS') open = open.slice(sent.length);
        // Nothing was written: what clashed is judged by what is there now, and what was skipped is sent again.
        else for (const [i, { status, record }] of results.entries()) if (status === 'CONFLICT') present.set(sent[i]!.id, this.#stateOf(sent[i]!.id, record));
      } catch (error) {
        if (!FOR_GOOD.includes((error as SynclineError).code)) throw error;
        if (sent.length === 1) {
          failure = error as SynclineError;
          open = open.slice(1);
        }
        most = 1; // so that it keeps no other from being written
      }
    }
    if (failure) throw failure;
    return conflicts;
  }

  /** What the server has of records now; undefined where it never had any. */
  async #present(ids: readonly string[]): Promise<Map<string, Present | undefined>> {
    const { records } = await this.remote.call<{ records: (State | null)[] }>(RECORDS, { ids }, this.signal);
    return new Map(ids.map((id, i) => [id, this.#stateOf(id, records[i]!)]));
  }

  #stateOf(id: string, record: State | null): Present | undefined {
    return record ? { revision: record.revision, content: this.#read(id, record) } : undefined;
  }

  /** As they are in the collection, deleted ones too. */
  async #here(keys: string[]): Promise<Map<string, Document>> {
    const found = keys.length > 0 ? await this.collection.storageInstance.findDocumentsById(keys, true) : [];
    return new Map(found.map((document) => [String(document[this.collection.schema.primaryPath as never]), { ...contentOf({ ...document, _deleted: false }), _deleted: document._deleted }]));
  }

  #keyOf(id: string): string {
    return id.slice(this.prefix.length);
  }

  /** What a record has. Throws `UNREADABLE`. */
  #read(id: string, { data }: Pick<State, 'data'>): Content {
    if (data === null) return undefined;
    let content: unknown;
    try {
      content = JSON.parse(decodeText(data));
    } catch (cause) {
      throw new SynclineError('UNREADABLE', `${id} is no JSON`, {}, { cause });
    }
    if ((content as Document | null)?.[this.collection.schema.primaryPath] !== this.#keyOf(id)) throw new SynclineError('UNREADABLE', `${id} is no document of the collection ${this.collection.name}`);
    return content as Content;
  }
}

/** A document as RxDB takes it; one that is deleted has what was known of it. */
function documentOf(content: Content, known: Document): Document {
  return content ? { ...content, _deleted: false } : { ...known, _deleted: true };
}

/** What the record of a document has. */
function contentOf(document: Document): Content {
  const { _deleted, _rev, _meta, _attachments, ...content } = document;
  return _deleted ? undefined : (JSON.parse(JSON.stringify(content)) as Content);
}

/** How many of these go into one request; one goes in any case. */
function fitting(writes: readonly { data: string | null }[], most: number): number {
  let bytes = 0;
  const over = writes.findIndex(({ data }, i) => i === most || ((bytes += data?.length ?? 0) > MOST_BYTES && i > 0));
  return over < 0 ? writes.length : over;
}
