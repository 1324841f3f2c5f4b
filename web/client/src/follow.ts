import { onAbort } from './abort.js';
import { Pauses, sleep } from './backoff.js';
import { fromCloseEvent, fromGraphQLErrors, mayPass, SynclineError } from './errors.js';
import type { FeedRecord, RecordChange, Subscriber } from './types.js';

const RECORD_CHANGED = `subscription Follow($since: Cursor) {
  recordChanged(since: $since) {
    kind
    cursor
    record { id data revision schemaVersion deleted clientId updatedAt }
  }
}`;

/** Events that wait for a slow consumer; beyond, the feed is let go and taken up again later. */
const MOST_PENDING = 1000;

export interface FollowOptions {
  /** The cursor that was saved last; `"0"` is the beginning, null means from now on. */
  since?: string | null;
  /**
   * Applies a record, perhaps a tombstone: stores what it changes. Awaited. If
   * it rejects, the feed ends, and the record comes again when it is followed
   * again: what no retry mends, such as data that cannot be read, is to be
   * handled here.
   */
  onRecord?: (record: FeedRecord) => unknown;
  /** All that was there is applied; events are live now. Called again after each disconnect. Awaited. */
  onCaughtUp?: () => unknown;
  /** Stores the cursor, after what came before it was applied. Awaited. */
  save?: (cursor: string) => unknown;
  /** Hears why the subscription is about to be started again. */
  onRetry?: (error: SynclineError) => void;
  /** Ends it, with the signal's reason. */
  signal?: AbortSignal;
}

/** A feed that goes on for ever. Iterate over it, or let it run with callbacks alone. */
export interface Feed extends AsyncIterable<RecordChange> {
  /** Follows until an error that no retry mends, and rejects with it. */
  run(): Promise<void>;
}

/**
 * The feed after `since`, then every further change as it happens, over as many
 * connections as it takes: without hole or duplicate, revisions only ascend.
 * The cursor is saved once an event is applied, which is when `onRecord` has
 * resolved and the loop asks for the next one. What was not saved comes again.
 *
 * Errors that no retry mends end it as a {@link SynclineError}: `CURSOR_TOO_OLD`
 * (follow from `"0"` and drop what that does not bring until caught up),
 * `EPOCH_MISMATCH`, `UNAUTHENTICATED`, `FORBIDDEN`, `BAD_USER_INPUT`, `IDENTITY_CHANGED`.
 */
export function follow(client: Subscriber, options: FollowOptions = {}): Feed {
  return {
    [Symbol.asyncIterator]() {
      const over = new AbortController();
      const iterator = changes(client, options, over);
      const leave = iterator.return.bind(iterator);
      iterator.return = (value) => {
        over.abort(LEFT); // or leaving would wait for the next event
        return leave(value);
      };
      return iterator;
    },
    async run() {
      for await (const _ of this);
    },
  };
}

/** That the iterator was left. */
const LEFT = Symbol('left');

async function* changes(client: Subscriber, options: FollowOptions, over: AbortController): AsyncGenerator<RecordChange, void, unknown> {
  let at = options.since ?? null;
  let last = 0;
  const pauses = new Pauses();
  options.signal?.throwIfAborted();
  const forget = onAbort(options.signal, () => over.abort(options.signal!.reason));
  try {
    for (;;) {
      const connection = new Connection(client, at, over.signal);
      for await (const change of connection.changes()) {
        pauses.stands();
        if (change.kind === 'CHANGED' && change.record.revision <= last) continue; // seen before a disconnect
        if (change.kind === 'CHANGED') await options.onRecord?.(change.record);
        else await options.onCaughtUp?.();
        yield change;
        at = change.cursor;
        last = change.record?.revision ?? last;
        await options.save?.(at);
      }
      if (connection.overflowed) continue;
      if (connection.error) options.onRetry?.(connection.error);
      await sleep(pauses.next(connection.error?.extensions['retryAfterMs']), over.signal);
    }
  } catch (error) {
    if (error !== LEFT) throw error;
  } finally {
    forget();
  }
}

/** One subscription. Its iterator ends where another one may go on, and throws where none can. */
class Connection {
  overflowed = false;
  error: SynclineError | undefined;
  #pending: RecordChange[] = [];
  #ended = false;
  #wake = () => {};
  #stop = () => {};

  constructor(
    private readonly client: Subscriber,
    private readonly since: string | null,
    private readonly signal: AbortSignal,
  ) {}

  async *changes(): AsyncGenerator<RecordChange, void, unknown> {
    this.signal.throwIfAborted();
    this.#stop = this.client.subscribe(
      { query: RECORD_CHANGED, variables: { since: this.since } },
      {
        next: (result) => this.#next(result),
        error: (error) => this.#end(asError(error)),
        complete: () => this.#end(),
      },
    );
    const forget = onAbort(this.signal, () => this.#wake());
    try {
      yield* this.#deliver();
    } finally {
      forget();
      this.#stop();
    }
  }

  async *#deliver(): AsyncGenerator<RecordChange, void, unknown> {
    for (;;) {
      const batch = this.#pending;
      this.#pending = [];
      if (batch.length === 0 && this.#ended) break;
      if (batch.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
      for (const change of batch) {
        this.signal.throwIfAborted();
        yield change;
      }
      this.signal.throwIfAborted();
    }
    if (this.error && !mayPass(this.error)) throw this.error;
  }

  #next({ data, errors }: { data?: unknown; errors?: unknown }): void {
    if (this.#ended) return;
    const error = fromGraphQLErrors(errors);
    if (error) return this.#end(error);
    const change = (data as { recordChanged?: RecordChange } | null | undefined)?.recordChanged;
    if (typeof change?.cursor !== 'string') return this.#end(new SynclineError('PROTOCOL', 'an event without cursor came'));
    this.#pending.push(change);
    this.#wake();
    if (this.#pending.length < MOST_PENDING) return;
    this.overflowed = true;
    this.#end();
    this.#stop();
  }

  #end(error?: SynclineError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.error = error;
    this.#wake();
  }
}

function asError(error: unknown): SynclineError {
  if (error instanceof SynclineError) return error;
  const { type, message } = (error ?? {}) as { type?: unknown; message?: unknown };
  return (
    fromGraphQLErrors(error) ??
    fromCloseEvent(error) ??
    // The event by which a WebSocket tells of a failure says no more.
    new SynclineError(type === 'error' ? 'UNREACHABLE' : 'PROTOCOL', `the subscription failed: ${message || 'no reason was given'}`, {}, { cause: error })
  );
}
