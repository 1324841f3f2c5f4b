import { newNonce, Session, signedFetch } from '@syncline/client';
import { createSocket } from '@syncline/client/graphql-ws';
import type { Client } from 'graphql-ws';

import { Feed } from './feed.ts';
import type { Person } from './person.ts';
import { Records } from './records.ts';
import { RequestLog } from './request-log.ts';
import { Seen } from './seen.ts';

/** What devices are called. */
export type DeviceName = 'Laptop' | 'Phone' | 'Tablet';

/** One of a user's devices: a session of its own, and what it calls itself. */
export class Device {
  /** What its writes carry, so that it recognises its own echo. */
  readonly clientId: string;
  /** What its locks carry. */
  readonly instanceId = newInstanceId();
  readonly session: Session;
  readonly requests: RequestLog;
  /** A `fetch` that signs for the user. */
  readonly send: typeof fetch;
  readonly socket: Client;
  readonly feed: Feed;
  readonly seen: Seen;
  readonly records = new Records();

  constructor(
    readonly name: DeviceName,
    readonly person: Person,
    endpoint: URL,
    certificate: string,
  ) {
    this.clientId = name.toLowerCase();
    this.session = new Session({ url: endpoint, identity: person.identity, ...(certificate && { certificate }) });
    this.requests = new RequestLog(this.session);
    this.send = signedFetch(this.session, { fetch: this.requests.fetch, attempts: 3 });
    this.seen = new Seen((name) => person.locks.add(name));
    this.feed = new Feed(this.seen, this.records);
    this.socket = createSocket(this.session, { webSocketImpl: this.requests.WebSocket, on: this.feed.connection });
    person.state.subscribe(({ identity }) => void this.#become(identity));
  }

  /** Follows the user's feed from its beginning, for ever. */
  start(): void {
    void this.feed.follow(this.socket, this.session.signal);
  }

  async #become(identity: Person['identity']): Promise<void> {
    if (identity.publicKey === this.session.identity.publicKey) return;
    await this.session.switchTo(identity);
    this.seen.forget();
    this.records.forget();
    this.requests.clear();
    this.start();
  }
}

/** A random UUID; `crypto.randomUUID` is absent on plain-http pages. */
function newInstanceId(): string {
  const hex = newNonce();
  const version = `4${hex.slice(13, 16)}`;
  const variant = `8${hex.slice(17, 20)}`;
  return [hex.slice(0, 8), hex.slice(8, 12), version, variant, hex.slice(20)].join('-');
}
