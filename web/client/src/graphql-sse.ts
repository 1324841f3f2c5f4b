import { createClient } from 'graphql-sse';
import type { Client, ClientOptions, ExecutionResult, RequestParams, Sink } from 'graphql-sse';

import { onAbort } from './abort.js';
import { Pauses, sleep } from './backoff.js';
import { fromGraphQLErrors, mayPass, SynclineError, unreachable } from './errors.js';
import { signedFetch } from './fetch.js';
import type { SignedFetchOptions } from './fetch.js';
import { iterate } from './iterate.js';
import type { Session } from './session.js';

/** The server says something every 15 seconds. */
const LONGEST_SILENCE = 40_000;

/** The server answers at once; a browser may not even have asked it. */
const LONGEST_WAIT = 20_000;

/** The bytes of a longer event are not Syncline's. */
const LONGEST_EVENT = 16 * 1024 * 1024;

/** What graphql-sse's client offers, without its single connection mode. */
export type EventSourceClient = Pick<Client<false>, 'subscribe' | 'iterate' | 'dispose'>;

export interface EventSourceOptions extends Pick<SignedFetchOptions, 'fetch' | 'onRetry'> {
  /** Hears of connections, as graphql-sse has it. */
  on?: ClientOptions<false>['on'];
}

/**
 * Subscriptions over server-sent events by graphql-sse, in distinct connections
 * mode: signed anew at each connect, reconnecting for ever, feeds resumed after
 * the last event that came, whatever of it the document selects. When the
 * session's identity changes, subscriptions end with `IDENTITY_CHANGED`.
 *
 * Each subscription takes a connection, of which browsers open six to a host
 * over HTTP/1.1, all tabs together: beyond, requests wait. Over HTTP/2 they do
 * not.
 */
export function createEventSource(session: Session, options: EventSourceOptions = {}): EventSourceClient {
  const running = new Set<() => void>();
  const subscribe: Client<false>['subscribe'] = (request, sink) => {
    const stop = new Stream(session, options).start(request, {
      next: (result) => sink.next(result as never),
      error: (error) => {
        running.delete(stop);
        sink.error(error);
      },
      complete: () => {
        running.delete(stop);
        sink.complete();
      },
    });
    running.add(stop);
    return stop;
  };
  return {
    subscribe,
    iterate: ((request: RequestParams) =>
      iterate<ExecutionResult>((sink) => subscribe(request, sink as Sink<never>))) as unknown as EventSourceClient['iterate'],
    dispose() {
      for (const stop of running) stop();
      running.clear();
    },
  };
}

/** One subscription, over as many connections as it takes. */
class Stream {
  readonly #send: typeof fetch;
  readonly #client: Client<false>;
  readonly #signal: AbortSignal;
  readonly #pauses = new Pauses();
  readonly #over = new AbortController();
  #cursor: string | undefined;
  #served = false;
  /** Why the last connection ended. */
  #ended: SynclineError | undefined;
  #fail: (error: unknown) => void = () => {};

  constructor(
    private readonly session: Session,
    { onRetry, on, ...options }: EventSourceOptions,
  ) {
    this.#signal = session.signal;
    // Trying again is graphql-sse's part here.
    this.#send = signedFetch(session, { ...options, attempts: 1 });
    this.#client = createClient({
      url: session.url.href,
      fetchFn: (url: string, init: RequestInit) => this.#fetch(url, init),
      retryAttempts: Infinity,
      retry: () => {
        const error = this.#ended ?? this.#broken('the stream ended');
        onRetry?.(error);
        return sleep(this.#pauses.next(error.extensions['retryAfterMs']), this.#over.signal);
      },
      ...(on && { on }),
    });
  }

  start(request: RequestParams, sink: Sink<ExecutionResult>): () => void {
    let over = false;
    const end = (report: () => void) => {
      if (over) return;
      over = true;
      forget();
      this.#client.dispose();
      this.#over.abort(); // or a pause would go on for nobody
      report();
    };
    const forget = onAbort(this.#signal, () => this.#fail(this.#signal.reason));
    this.#fail = (error) => end(() => sink.error(error));
    this.#client.subscribe(request, {
      next: (result: ExecutionResult) => {
        const cursor = result.extensions?.['cursor'];
        if (typeof cursor === 'string') this.#cursor = cursor;
        if (!over) sink.next(result);
      },
      error: this.#fail,
      complete: () => end(() => sink.complete()),
    });
    return () => end(() => sink.complete());
  }

  /** One connection. */
  async #fetch(url: string, init: RequestInit): Promise<Response> {
    this.#ended = undefined;
    const connection = new AbortController();
    const forget = onAbort(this.#over.signal, () => connection.abort(this.#over.signal.reason));
    const timer = setTimeout(() => connection.abort(this.#broken(UNANSWERED)), LONGEST_WAIT);
    try {
      const response = await this.#send(url, { ...init, body: this.#resuming(init.body as string), signal: connection.signal });
      if (!response.ok) throw await refusalOf(response);
      this.#served = true;
      this.#pauses.stands();
      return new Response(this.#watched(response.body!, forget), response);
    } catch (error) {
      forget();
      this.#ended = error instanceof SynclineError ? error : undefined;
      if (!this.#ended || !this.#mayPass(this.#ended)) this.#fail(error);
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * The clock was corrected by the refusal already, if need be, and the server may
   * have started again since. Where Syncline answered before, something else may
   * stand in its way for a while: a page of a network that wants a login, say.
   */
  #mayPass(error: SynclineError): boolean {
    return mayPass(error) || error.code === 'SIGNATURE_EXPIRED' || (this.#served && error.code === 'NOT_SYNCLINE');
  }

  #broken(why: string): SynclineError {
    return new SynclineError('UNREACHABLE', `${this.session.url.origin}: ${why}`);
  }

  #resuming(body: string): string {
    if (this.#cursor === undefined) return body;
    const request = JSON.parse(body) as RequestParams;
    return JSON.stringify({ ...request, extensions: { ...request.extensions, resume: this.#cursor } });
  }

  /**
   * A body that ends when its connection breaks or falls silent. The end is told a
   * moment late: graphql-sse overlooks one that comes while events wait.
   */
  #watched(body: ReadableStream<Uint8Array>, forget: () => void): ReadableStream<Uint8Array> {
    const reader = body.getReader();
    let length = 0;
    let last = 0;
    return new ReadableStream({
      pull: async (controller) => {
        const timer = setTimeout(() => {
          this.#ended = this.#broken(SILENT);
          void reader.cancel();
        }, LONGEST_SILENCE);
        try {
          const { done, value } = await reader.read();
          if (!done) {
            for (const byte of value) {
              length = byte === LINE_FEED && last === LINE_FEED ? 0 : length + 1;
              last = byte;
            }
            if (length <= LONGEST_EVENT) return controller.enqueue(value);
            this.#fail(new SynclineError('PROTOCOL', 'an event is longer than 16 MiB'));
            void reader.cancel();
          }
        } catch (cause) {
          this.#ended ??= unreachable(this.session.url, cause);
        } finally {
          clearTimeout(timer);
        }
        forget();
        await sleep(0);
        controller.close();
      },
      cancel: (reason) => {
        forget();
        return reader.cancel(reason);
      },
    });
  }
}

const LINE_FEED = 10;
const SILENT = 'the stream fell silent, although the server says something every 15 seconds: a proxy may hold it back to buffer or compress it';
const UNANSWERED =
  'no answer came: a browser opens six connections to a host over HTTP/1.1, and each subscription by server-sent events takes one, in other tabs too; use WebSockets or HTTP/2';

async function refusalOf(response: Response): Promise<SynclineError> {
  const { errors } = (await response.json()) as { errors?: unknown };
  return fromGraphQLErrors(errors) ?? new SynclineError('PROTOCOL', `the server answered with ${response.status}`);
}
