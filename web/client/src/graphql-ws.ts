import { createClient } from 'graphql-ws';
import type { FormattedExecutionResult } from 'graphql';
import type { Client, ClientOptions, Message, Sink, SubscribePayload } from 'graphql-ws';

import { pause, sleep } from './backoff.js';
import { fromCloseEvent, SynclineError, unreachable } from './errors.js';
import { iterate } from './iterate.js';
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
 * and resumes feeds after the last event that came. When the session's identity
 * changes its subscriptions end with `IDENTITY_CHANGED`, and new ones are the
 * new identity's. Event listeners added by `on` are those of the present identity's connections;
 * `options.on` hears of all.
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
    dispose: () => present().client.dispose(),
    terminate: () => present().client.terminate(),
  };
}

/** The connections of one identity. */
class Tenure {
  readonly client: Client;
  /** By operation id: the cursor of the last event. */
  readonly #cursors = new Map<string, string>();
  readonly #signal: AbortSignal;
  readonly #onRetry: SocketOptions['onRetry'];
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
      retryWait: (failed) => sleep(pause(failed)),
      ...options,
      webSocketImpl: withErrorListener(webSocketImpl ?? (globalThis as { WebSocket?: unknown }).WebSocket),
      url: session.webSocketUrl.href,
      connectionParams: connectionParams(session, { resume: () => Object.fromEntries(this.#cursors) }),
      generateID: () => (this.#id = String(++this.#ids)),
      shouldRetry: (failure) => this.#shouldRetry(failure),
    });
    this.client.on('message', (message) => this.#remember(message));
    this.#watchSilence();
    this.#signal.addEventListener('abort', () => this.#retire(), { once: true });
  }

  /** Another identity took over. */
  get over(): boolean {
    return this.#signal.aborted;
  }

  subscribe<D, E>(payload: SubscribePayload, sink: Sink<FormattedExecutionResult<D, E>>): () => void {
    let over = false;
    const end = (report: () => void) => {
      if (over) return;
      over = true;
      this.#cursors.delete(id);
      this.#signal.removeEventListener('abort', retire);
      report();
    };
    const retire = () => {
      end(() => sink.error(this.#signal.reason));
      release(); // or it would be sent, as the next identity's, by a connection that is about to be made
    };
    const release = this.client.subscribe<D, E>(payload, {
      next: (result) => !over && sink.next(result),
      error: (error) => end(() => sink.error(fromCloseEvent(error) ?? error)),
      complete: () => end(() => sink.complete()),
    });
    const id = this.#id;
    this.#signal.addEventListener('abort', retire);
    return () => {
      this.#cursors.delete(id);
      release();
    };
  }

  #remember(message: Message): void {
    if (message.type !== 'next') return;
    for (const event of Object.values(message.payload.data ?? {})) {
      const cursor = (event as { cursor?: unknown } | null)?.cursor;
      if (typeof cursor === 'string') this.#cursors.set(message.id, cursor);
    }
  }

  #shouldRetry(failure: unknown): boolean {
    if (this.#signal.aborted || failure instanceof SynclineError) return false;
    const refusal = fromCloseEvent(failure);
    const retries = refusal === undefined || this.#mayPass(refusal);
    if (retries) this.#onRetry?.(refusal ?? unreachable(this.session.webSocketUrl, failure));
    return retries;
  }

  /** All but a refusal that will come again. */
  #mayPass(refusal: SynclineError): boolean {
    if (refusal.code === 'SIGNATURE_EXPIRED') return this.session.correctClock(refusal.extensions['serverTime']);
    return refusal.code === 'NONCE_REUSED' || refusal.code === 'UNAVAILABLE';
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

  #retire(): void {
    Promise.resolve(this.client.dispose()).catch(() => {}); // of a connection that was still being made
    this.client.terminate();
  }
}

/**
 * The WebSocket of the npm package ws reports that it was given up while it was
 * still connecting; without a listener, that would end the process.
 */
function withErrorListener(implementation: unknown): unknown {
  if (typeof implementation !== 'function') return implementation;
  const Base = implementation as typeof WebSocket;
  return class extends Base {
    constructor(url: string | URL, protocols?: string | string[]) {
      super(url, protocols);
      this.addEventListener('error', () => {});
    }
  };
}
