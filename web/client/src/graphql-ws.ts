import { createClient } from 'graphql-ws';
import type { FormattedExecutionResult } from 'graphql';
import type { Client, ClientOptions, Message, Sink, SubscribePayload } from 'graphql-ws';

import { pause, sleep } from './backoff.js';
import { fromCloseEvent, SynclineError } from './errors.js';
import { iterate } from './iterate.js';
import type { Session } from './session.js';
import { connectionParams } from './socket.js';

/** Options of graphql-ws, but for those that signing needs. */
export type SocketOptions = Omit<ClientOptions, 'url' | 'connectionParams' | 'generateID' | 'shouldRetry'>;

/** How long a server may take to answer a ping before the connection counts as dead. */
const PONG_WAIT = 10_000;

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
  #ids = 0;
  #id = '';

  constructor(
    private readonly session: Session,
    options: SocketOptions,
  ) {
    this.#signal = session.signal;
    this.client = createClient({
      keepAlive: 15_000,
      retryAttempts: Infinity,
      retryWait: (failed) => sleep(pause(failed)),
      ...options,
      url: session.webSocketUrl.href,
      connectionParams: connectionParams(session, { resume: () => Object.fromEntries(this.#cursors) }),
      generateID: () => (this.#id = String(++this.#ids)),
      shouldRetry: (failure) => this.#shouldRetry(failure),
    });
    this.client.on('message', (message) => this.#remember(message));
    this.#watchPongs();
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
    const retire = () => end(() => sink.error(this.#signal.reason));
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

  /** All but a refusal that will come again passes, also that the host cannot be reached. */
  #shouldRetry(failure: unknown): boolean {
    if (this.#signal.aborted || failure instanceof SynclineError) return false;
    const refusal = fromCloseEvent(failure);
    if (refusal?.code === 'SIGNATURE_EXPIRED') return this.session.correctClock(refusal.extensions['serverTime']);
    return refusal === undefined || refusal.code === 'NONCE_REUSED' || refusal.code === 'UNAVAILABLE';
  }

  /** A connection that died in silence looks open until the system gives up on it, which takes minutes. */
  #watchPongs(): void {
    let timer: ReturnType<typeof setTimeout> | undefined;
    this.client.on('ping', (received) => {
      if (!received) timer = setTimeout(() => this.client.terminate(), PONG_WAIT);
    });
    this.client.on('pong', (received) => received && clearTimeout(timer));
    this.client.on('closed', () => clearTimeout(timer));
  }

  #retire(): void {
    Promise.resolve(this.client.dispose()).catch(() => {}); // of a connection that was still being made
    this.client.terminate();
  }
}
