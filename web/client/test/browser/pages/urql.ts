import { decodeText, encodeText } from '@syncline/client';
import type { Session } from '@syncline/client';
import { createSocket } from '@syncline/client/graphql-ws';
import { clientPerIdentity, keys, liveExchange, mutationIdExchange, signedOptions } from '@syncline/client/urql';
import { Client, fetchExchange } from '@urql/core';
import { cacheExchange } from '@urql/exchange-graphcache';

import { CHANGES, note, READ, WRITE } from './app.js';
import type { App, RecordData } from './app.js';

export function openUrql(session: Session): App {
  const socket = createSocket(session);
  const clients = clientPerIdentity(
    session,
    () =>
      new Client({
        ...signedOptions(session, { attempts: Infinity }),
        preferGetMethod: 'within-url-limit',
        exchanges: [mutationIdExchange(), cacheExchange({ keys }), fetchExchange, liveExchange(socket)],
      }),
  );
  const feed = { seen: [] as string[], caughtUp: 0 };
  const fromCache = (id: string) => clients.current().readQuery<{ record: RecordData | null }>(READ, { id });
  const asked = new Set<string>();
  return {
    session,
    feed,
    async write(id, text, revision = 0) {
      asked.add(id);
      const { data, error } = await clients.current().mutation(WRITE, { input: { id, data: encodeText(text), revision } }).toPromise();
      if (error) throw error;
      return { status: data.setRecord.status, revision: data.setRecord.record.revision };
    },
    async read(id) {
      asked.add(id);
      const { data, error } = await clients.current().query<{ record: RecordData | null }>(READ, { id }).toPromise();
      if (error) throw error;
      return data!.record && decodeText(data!.record.data!);
    },
    follow() {
      clients
        .current()
        .subscription(CHANGES, { since: '0' })
        .subscribe(({ data }) => note(feed, data?.recordChanged));
    },
    cached: () => JSON.stringify([...asked].map((id) => fromCache(id)?.data ?? null)),
    close: () => void socket.dispose(),
  };
}
