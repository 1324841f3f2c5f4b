import type { Session } from '@syncline/client';
import { createStore } from 'zustand/vanilla';

import { explain } from './explain.ts';
import type { Explained } from './explain.ts';

/** A signed request as it went out. */
export interface SentRequest extends Explained {
  key: number;
  /** When, by this device's clock. */
  at: Date;
  /** `POST`, or `connection_init` for a WebSocket. */
  kind: string;
  url: string;
  /** The operation's name; empty if it has none. */
  title: string;
  /** Headers of the request, or members of the payload of `connection_init`. */
  headers: readonly (readonly [name: string, value: string])[];
  body: string;
  /** The answer's status; null while there is none. */
  status: number | null;
}

const MOST_REQUESTS = 20;

/** The requests that a device sent, newest first. */
export class RequestLog {
  readonly state = createStore<readonly SentRequest[]>(() => []);
  #keys = 0;

  constructor(private readonly session: Session) {}

  /** A `fetch` that keeps a copy of what it sends. */
  readonly fetch: typeof fetch = async (input, init = {}) => {
    const url = new URL(input instanceof Request ? input.url : input);
    const headers = [...new Headers(init.headers)];
    const bytes = init.body instanceof Uint8Array ? init.body : new Uint8Array();
    const body = new TextDecoder().decode(bytes);
    const key = this.#add({ kind: init.method ?? 'GET', url, headers, body, title: operationName(body) });
    const response = await fetch(input, init);
    this.#update(key, response.status);
    return response;
  };

  /** A WebSocket that keeps a copy of how it introduces itself. */
  readonly WebSocket = withFirstMessage((socket, payload) => {
    const headers = Object.entries(payload).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
    this.#add({ kind: 'connection_init', url: new URL(socket.url), headers, body: '', title: 'WebSocket' });
  });

  clear(): void {
    this.state.setState([], true);
  }

  #add(sent: { kind: string; url: URL; headers: [string, string][]; body: string; title: string }): number {
    const key = ++this.#keys;
    const explained = explain(this.session.identity, sent);
    const entry = { ...sent, ...explained, url: sent.url.href, key, at: new Date(), status: null };
    this.state.setState((sents) => [entry, ...sents].slice(0, MOST_REQUESTS), true);
    return key;
  }

  #update(key: number, status: number): void {
    this.state.setState((sents) => sents.map((sent) => (sent.key === key ? { ...sent, status } : sent)), true);
  }
}

function operationName(body: string): string {
  try {
    return (JSON.parse(body) as { operationName?: string }).operationName ?? '';
  } catch {
    return '';
  }
}

function withFirstMessage(report: (socket: WebSocket, payload: Record<string, unknown>) => void): typeof WebSocket {
  return class extends WebSocket {
    override send(data: Parameters<WebSocket['send']>[0]): void {
      const message = typeof data === 'string' ? (JSON.parse(data) as { type: string; payload?: object }) : undefined;
      if (message?.type === 'connection_init') report(this, { ...message.payload });
      super.send(data);
    }
  };
}
