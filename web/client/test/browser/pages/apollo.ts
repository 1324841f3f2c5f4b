import { ApolloClient, gql, InMemoryCache } from '@apollo/client';
import { decodeText, encodeText } from '@syncline/client';
import type { Session } from '@syncline/client';
import { resetOnSwitch, synclineLink, typePolicies } from '@syncline/client/apollo';
import { createSocket } from '@syncline/client/graphql-ws';

import { CHANGES, note, READ, WRITE } from './app.js';
import type { App, Change, RecordData } from './app.js';

export function openApollo(session: Session): App {
  const socket = createSocket(session);
  const client = new ApolloClient({
    link: synclineLink(session, socket, { attempts: Infinity }),
    cache: new InMemoryCache({ typePolicies }),
  });
  resetOnSwitch(client, session);
  const feed = { seen: [] as string[], caughtUp: 0 };
  return {
    session,
    feed,
    async write(id, text, revision = 0) {
      const variables = { input: { id, data: encodeText(text), revision } };
      const { data } = await client.mutate<{ setRecord: { status: string; record: RecordData } }>({ mutation: gql(WRITE), variables });
      return { status: data!.setRecord.status, revision: data!.setRecord.record.revision };
    },
    async read(id) {
      const { data } = await client.query<{ record: RecordData | null }>({ query: gql(READ), variables: { id } });
      return data!.record && decodeText(data!.record.data!);
    },
    follow() {
      client
        .subscribe<{ recordChanged: Change }>({ query: gql(CHANGES), variables: { since: '0' }, fetchPolicy: 'no-cache' })
        .subscribe(({ data }) => note(feed, data?.recordChanged));
    },
    cached: () => JSON.stringify(client.extract()),
    close: () => void socket.dispose(),
  };
}
