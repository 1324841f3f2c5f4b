import { createClient } from 'graphql-sse';
import type { Client, ClientOptions, ExecutionResult, RequestParams, Sink } from 'graphql-sse';

import { pause, sleep } from './backoff.js';
import { fromGraphQLErrors, SynclineError } from './errors.js';
import { signedFetch } from './fetch.js';
import type { SignedFetchOptions } from './fetch.js';
import { iterate } from './iterate.js';
import type { Session } from './session.js';

/** The server says something every 15 seconds. */
const LONGEST_SILENCE = 40_000;

/** What graphql-sse's client offers, without its single connection mode. */
export type EventSourceClient = Pick<Client<false>, 'subscribe' | 'iterate' | 'dispose'>;

export interface EventSourceOptions extends Pick<SignedFetchOptions, 'fetch' | 'onRetry'> {
  /** Hears of connections, as graphql-sse has it. */
  on?: ClientOptions<false>['on'];
}

/**
 * Subscriptions over server-sent events by graphql-sse, in distinct connections
 * mode: signed anew at each connect, reconnecting for ever, feeds resumed after
 * the last event that came. When the session's identity changes, subscriptions
 * end with `IDENTITY_CHANGED`.
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
  readonly #onRetry: EventSourceOptions['onRetry'];
  readonly #over = new AbortController();
  #cursor: string | undefined;
  /** What the last refusal asked for. */
  #retryAfter: unknown;
  #fail: (error: unknown) => void = () => {};

  constructor(session: Session, options: EventSourceOptions) {
    this.#signal = session.signal;
    this.#onRetry = options.onRetry;
    // Trying again is graphql-sse's part here.
    this.#send = signedFetch(session, { ...options, attempts: 1 });
    this.#client = createClient({
      url: session.url.href,
      fetchFn: (url: string, init: RequestInit) => this.#fetch(url, init),
      retryAttempts: Infinity,
      retry: (failed) => sleep(pause(failed, this.#retryAfter), this.#over.signal),
      ...(options.on && { on: options.on }),
    });
  }

  start(request: RequestParams, sink: Sink<ExecutionResult>): () => void {
    let over = false;
    const end = (report: () => void) => {
      if (over) return;
      over = true;
      this.#signal.removeEventListener('abort', retire);
      this.#client.dispose();
      this.#over.abort(); // or a pause would go on for nobody
      report();
    };
    const retire = () => this.#fail(this.#signal.reason);
    this.#signal.addEventListener('abort', retire);
    this.#fail = (error) => end(() => sink.error(error));
    this.#client.subscribe(request, {
      next: (result: ExecutionResult) => {
        this.#remember(result);
        if (!over) sink.next(result);
      },
      error: this.#fail,
      complete: () => end(() => sink.complete()),
    });
    return () => end(() => sink.complete());
  }

  async #fetch(url: string, init: RequestInit): Promise<Response> {
    this.#retryAfter = undefined;
    try {
      const response = await this.#send(url, { ...init, body: this.#resuming(init.body as string) });
      if (!response.ok) throw await refusalOf(response);
      return new Response(watched(response.body!), response);
    } catch (error) {
      if (!mayPass(error)) this.#fail(error);
      else if (!this.#signal.aborted) this.#wait(error);
      throw error;
    }
  }

  #wait(error: SynclineError): void {
    this.#retryAfter = error.extensions['retryAfterMs'];
    this.#onRetry?.(error);
  }

  #resuming(body: string): string {
    if (this.#cursor === undefined) return body;
    const request = JSON.parse(body) as RequestParams;
    return JSON.stringify({ ...request, extensions: { ...request.extensions, resume: this.#cursor } });
  }

  #remember(result: ExecutionResult): void {
    for (const event of Object.values(result.data ?? {})) {
      const cursor = (event as { cursor?: unknown } | null)?.cursor;
      if (typeof cursor === 'string') this.#cursor = cursor;
    }
  }
}

/**
 * A body that ends when its connection breaks or falls silent. The end is told a
 * moment late: graphql-sse overlooks one that comes while events wait.
 */
function watched(body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream({
    async pull(controller) {
      const timer = setTimeout(() => void reader.cancel(), LONGEST_SILENCE);
      try {
        const { done, value } = await reader.read();
        if (!done) return controller.enqueue(value);
      } catch {
        // Broken is over, too.
      } finally {
        clearTimeout(timer);
      }
      await sleep(0);
      controller.close();
    },
    cancel: (reason) => reader.cancel(reason),
  });
}

async function refusalOf(response: Response): Promise<SynclineError> {
  const { errors } = (await response.json()) as { errors?: unknown };
  return fromGraphQLErrors(errors) ?? new SynclineError('PROTOCOL', `the server answered with ${response.status}`);
}

function mayPass(error: unknown): error is SynclineError {
  const codes = ['UNREACHABLE', 'UNAVAILABLE', 'RATE_LIMITED', 'NONCE_REUSED', 'SIGNATURE_EXPIRED'];
  return error instanceof SynclineError && codes.includes(error.code);
}
