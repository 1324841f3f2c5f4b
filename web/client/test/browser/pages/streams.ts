import { decodeText, encodeText, newNonce } from '@syncline/client';
import type { Session, Subscriber } from '@syncline/client';
import { createEventSource } from '@syncline/client/graphql-sse';
import { createSocket } from '@syncline/client/graphql-ws';

import { CHANGES, note, READ, WRITE } from './app.js';
import type { App, Change, RecordData } from './app.js';

/** All operations over one WebSocket. */
export const openSocket = (session: Session): App => open(session, createSocket(session));

/** All operations as server-sent events. */
export const openEventSource = (session: Session): App => open(session, createEventSource(session));

function open(session: Session, client: Subscriber & { dispose(): unknown }): App {
  const feed = { seen: [] as string[], caughtUp: 0 };
  return {
    session,
    feed,
    async write(id, text, revision = 0) {
      const input = { id, data: encodeText(text), revision, mutationId: newNonce() };
      const { setRecord } = await once<{ setRecord: { status: string; record: RecordData } }>(client, WRITE, { input });
      return { status: setRecord.status, revision: setRecord.record.revision };
    },
    async read(id) {
      const { record } = await once<{ record: RecordData | null }>(client, READ, { id });
      return record && decodeText(record.data!);
    },
    follow() {
      const next = ({ data }: { data?: unknown }) => note(feed, (data as { recordChanged: Change } | null)?.recordChanged);
      client.subscribe({ query: CHANGES, variables: { since: '0' } }, { next, error: () => {}, complete: () => {} });
    },
    cached: () => '',
    close: () => void client.dispose(),
  };
}

/** The only answer of a query or mutation. */
function once<T>(client: Subscriber, query: string, variables: Record<string, unknown>): Promise<T> {
  return new Promise((resolve, reject) => {
    client.subscribe({ query, variables }, {
      next: ({ data, errors }) => (errors ? reject(errors) : resolve(data as T)),
      error: reject,
      complete: () => {},
    });
  });
}
