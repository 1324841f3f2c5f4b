import { createClient } from 'graphql-ws';
import type { FormattedExecutionResult } from 'graphql';
import type { Client, ClientOptions, Message, Sink, SubscribePayload } from 'graphql-ws';

import { onAbort } from './abort.js';
import { Pauses, sleep } from './backoff.js';
import { fromCloseEvent, mayPass, SynclineError, unreachable } from './errors.js';
import { iterate } from './iterate.js';
import { refusalOf } from './payload.js';
import type { Session } from './session.js';
import { connectionParams } from './socket.js';

/** Options of graphql-ws, but for those that signing needs. */
export interface SocketOptions extends Omit<ClientOptions, 'url' | 'connectionParams' | 'generateID' | 'shouldRetry'> {
  /** Hears why a connection failed, before the next try. `UNREACHABLE` says what to check. */
  onRetry?: (error: SynclineError) => void;
}

/** How long a server may take to accept a connection or to answer a ping before it counts as dead. */
const ANSWER_WAIT = 10_000;

/**
 * A client of graphql-ws that signs each connection anew, reconnects for ever,
 * and resumes feeds after the last event that came, whatever of it the document
 * selects. Operations that a server could only answer by closing the connection
 * are refused with `BAD_USER_INPUT` before they are sent.
 *
 * When the session's identity changes its subscriptions end with
 * `IDENTITY_CHANGED`, and new ones are the new identity's. Event listeners added
 * by `on` are those of the present identity's connections; `options.on` hears of
 * all. What is subscribed after `dispose` begins again.
 */
export function createSocket(session: Session, options: SocketOptions = {}): Client {
  let tenure = new Tenure(session, options);
  // Asked for at each use: who hears that a subscription ended may begin another at once.
  const present = () => (tenure.over ? (tenure = new Tenure(session, options)) : tenure);
  const subscribe: Client['subscribe'] = (payload, sink) => present().subscribe(payload, sink);
  return {
    on: (...args) => present().client.on(...args),
    subscribe,
    iterate: <D, E>(payload: SubscribePayload) =>
      iterate<FormattedExecutionResult<D, E>>((sink) => subscribe<D, E>(payload, sink)) as AsyncIterableIterator<FormattedExecutionResult<D, E>>,
    dispose: () => tenure.dispose(),
    terminate: () => present().client.terminate(),
  };
}

/** The connections of one identity. */
class Tenure {
  readonly client: Client;
  /** By the id of an operation that runs: the cursor of its last event. */
  readonly #cursors = new Map<string, string | undefined>();
  readonly #running = new Set<() => void>();
  readonly #pauses = new Pauses();
  readonly #over = new AbortController();
  readonly #signal: AbortSignal;
  readonly #onRetry: SocketOptions['onRetry'];
  #connected = false;
  /** The failure that was told last: all operations of a connection have it in common. */
  #told: unknown;
  #retryAfter: unknown;
  #ids = 0;
  #id = '';

  constructor(
    private readonly session: Session,
    { onRetry, webSocketImpl, ...options }: SocketOptions,
  ) {
    this.#signal = session.signal;
    this.#onRetry = onRetry;
    this.client = createClient({
      keepAlive: 15_000,
      retryAttempts: Infinity,
      retryWait: () => sleep(this.#pauses.next(this.#retryAfter), this.#over.signal).catch(() => {}),
      ...options,
      webSocketImpl: tellingWhy(webSocketImpl ?? (globalThis as { WebSocket?: unknown }).WebSocket),
      url: session.webSocketUrl.href,
      connectionParams: connectionParams(session, { resume: () => this.#resume() }),
      generateID: () => (this.#id = String(++this.#ids)),
      shouldRetry: (failure) => this.#shouldRetry(failure),
    });
    this.client.on('message', (message) => this.#remember(message));
    this.client.on('connected', () => {
      this.#connected = true;
      this.#pauses.stands();
    });
    this.client.on('closed', () => (this.#connected = false));
    this.#watchSilence();
    const forget = onAbort(this.#signal, () => {
      this.dispose();
      this.client.terminate();
    });
    this.#over.signal.addEventListener('abort', forget);
  }

  /** Another identity took over, or the client was disposed of. */
  get over(): boolean {
    return this.#over.signal.aborted;
  }

  subscribe<D, E>(payload: SubscribePayload, sink: Sink<FormattedExecutionResult<D, E>>): () => void {
    let over = false;
    const end = (report: () => void) => {
      if (over) return;
      over = true;
      stop();
      report();
    };
    const refusal = refusalOf(payload);
    if (refusal) {
      const stop = () => void (over = true);
      queueMicrotask(() => !over && sink.error(refusal));
      return stop;
    }
    const release = this.client.subscribe<D, E>(payload, {
      next: (result) => this.#cursors.has(id) && sink.next(result),
      // An operation's own errors are an array; all else is about its connection.
      error: (error) => end(() => sink.error(Array.isArray(error) ? error : asError(error, this.session))),
      complete: () => end(() => sink.complete()),
    });
    const id = this.#id;
    const stop = () => {
      this.#cursors.delete(id);
      this.#running.delete(stop);
      forget();
      release();
    };
    // Ended here, or it would be sent, as the next identity's, by a connection that is about to be made.
    const forget = onAbort(this.#signal, () => end(() => sink.error(this.#signal.reason)));
    this.#cursors.set(id, undefined);
    this.#running.add(stop);
    return stop;
  }

  /** Ends all operations, and connections as soon as they are done with. */
  dispose(): void {
    this.#over.abort();
    for (const stop of this.#signal.aborted ? [] : this.#running) stop();
    Promise.resolve(this.client.dispose()).catch(() => {}); // of a connection that was still being made
    if (!this.#connected) this.client.terminate();
  }

  #resume(): Record<string, string> {
    return Object.fromEntries([...this.#cursors].filter((entry): entry is [string, string] => entry[1] !== undefined));
  }

  /** Of those that run: an event may be under way when its operation ends. */
  #remember(message: Message): void {
    if (message.type !== 'next' || !this.#cursors.has(message.id)) return;
    const cursor = message.payload.extensions?.['cursor'];
    if (typeof cursor === 'string') this.#cursors.set(message.id, cursor);
  }

  #shouldRetry(failure: unknown): boolean {
    const error = asError(failure, this.session);
    // All but a refusal that would come again.
    const retries = error.code === 'SIGNATURE_EXPIRED' ? this.session.correctClock(error.extensions['serverTime']) : mayPass(error);
    if (!retries || failure === this.#told) return retries;
    this.#told = failure;
    this.#retryAfter = error.extensions['retryAfterMs'];
    this.#onRetry?.(error);
    return true;
  }

  /** A connection that died in silence looks open, or about to be, until the system gives up on it, which takes minutes. */
  #watchSilence(): void {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stop = () => clearTimeout(timer);
    const wait = () => {
      stop();
      timer = setTimeout(() => this.client.terminate(), ANSWER_WAIT);
    };
    this.client.on('connecting', wait);
    this.client.on('connected', stop);
    this.client.on('ping', (received) => !received && wait());
    this.client.on('pong', (received) => received && stop());
    this.client.on('closed', stop);
  }
}

/** Why a connection failed. */
function asError(failure: unknown, session: Session): SynclineError {
  if (failure instanceof SynclineError) return failure;
  return fromCloseEvent(failure) ?? unreachable(session.webSocketUrl, failure);
}

/**
 * The WebSocket of a platform, which tells graphql-ws of a connection's end as an
 * error, but where graphql-ws itself ended it: close codes such as 1011 it would
 * take for final, and after 1000 it would return at once; about errors it asks.
 * The npm package ws would end the process over an error that nobody listens to.
 */
function tellingWhy(implementation: unknown): unknown {
  if (typeof implementation !== 'function') return implementation;
  const Base = implementation as typeof WebSocket;
  return class extends Base {
    #over = false;

    constructor(url: string | URL, protocols?: string | string[]) {
      super(url, protocols);
      this.addEventListener('error', () => (this.#over = true));
      this.addEventListener('close', (event) => {
        if (!this.#over) this.onerror?.(fromCloseEvent(event) as unknown as Event);
      });
    }

    override close(code?: number, reason?: string): void {
      if (typeof reason === 'string') this.#over = true; // ws itself answers a server's closing by this, with bytes
      super.close(code, reason);
    }
  };
}
