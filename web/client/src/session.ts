import { SynclineError } from './errors.js';
import type { Identity } from './identity.js';

export interface SessionOptions {
  /** The endpoint, such as `https://sync.example.com/graphql`; in a page it may be relative. */
  url: string | URL;
  /** The user to begin with. */
  identity: Identity;
  /** The endpoint for WebSockets; by default `url` with ws in place of http. */
  webSocketUrl?: string | URL;
  /** Base64 DER of the API key's certificate, where the server asks for one; line breaks do not matter. */
  certificate?: string;
  /** The local clock in milliseconds; `Date.now` by default. */
  now?: () => number;
  /**
   * How far from the local clock a server may correct the one that signatures
   * are dated by, in milliseconds: a day by default. A server that lies about
   * the time could collect signatures that are good later. `Infinity` is for
   * devices that start without any idea of the time.
   */
  clockCorrection?: number;
}

/**
 * One user at one server, shared by everything that signs: the endpoint, the
 * present identity, and the server's clock as far as it is known.
 */
export class Session {
  readonly url: URL;
  readonly webSocketUrl: URL;
  /** The Authorization header, where the server asks for certificates. */
  readonly authorization: string | undefined;
  readonly #now: () => number;
  readonly #clockCorrection: number;
  #identity: Identity;
  #skew = 0;
  #tenure = new AbortController();
  readonly #listeners = new Set<() => void | Promise<unknown>>();

  constructor(options: SessionOptions) {
    this.url = absolute(options.url);
    this.webSocketUrl = options.webSocketUrl ? absolute(options.webSocketUrl) : socketURL(this.url);
    this.authorization = options.certificate && `Bearer ${options.certificate.replace(/\s/g, '')}`;
    this.#identity = options.identity;
    this.#now = options.now ?? Date.now;
    this.#clockCorrection = options.clockCorrection ?? 86_400_000;
  }

  get identity(): Identity {
    return this.#identity;
  }

  /** Aborted, with `IDENTITY_CHANGED`, when the present identity gives way to another. */
  get signal(): AbortSignal {
    return this.#tenure.signal;
  }

  /**
   * Makes another user the present one. What is under way for the old one is
   * aborted with `IDENTITY_CHANGED`, subscriptions end with it, and caches that
   * listen are reset; all of this has happened when the promise resolves.
   */
  async switchTo(identity: Identity): Promise<void> {
    if (identity.publicKey === this.#identity.publicKey) return;
    const before = this.#tenure;
    this.#identity = identity;
    this.#tenure = new AbortController();
    before.abort(new SynclineError('IDENTITY_CHANGED', 'another identity took over: start this again for it'));
    await Promise.all([...this.#listeners].map(async (listener) => listener()));
  }

  /** Calls listener after each change of identity, and waits for it. Answers how to stop that. */
  onSwitch(listener: () => void | Promise<unknown>): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The server's clock in milliseconds, as far as it is known. */
  now(): number {
    return this.#now() + this.#skew;
  }

  /**
   * Sets the clock by the `serverTime` of an error or of `limits`. False if it
   * is not a time. Throws `CLOCK_WRONG` if it is farther from the local clock
   * than `clockCorrection` allows.
   */
  correctClock(serverTime: unknown): boolean {
    const server = typeof serverTime === 'string' ? Date.parse(serverTime) : NaN;
    if (Number.isNaN(server)) return false;
    const skew = server - this.#now();
    if (Math.abs(skew) > this.#clockCorrection) {
      const days = Math.round(Math.abs(skew) / 86_400_000);
      throw new SynclineError('CLOCK_WRONG', `this device's clock and the server's are ${days} days apart: set it, or see clockCorrection`, { serverTime });
    }
    this.#skew = skew;
    return true;
  }
}

function absolute(url: string | URL): URL {
  return new URL(url, (globalThis as { location?: { href: string } }).location?.href);
}

function socketURL(url: URL): URL {
  const socket = new URL(url);
  socket.protocol = url.protocol === 'http:' ? 'ws:' : 'wss:';
  return socket;
}
