import { follow, Identity, newNonce, Session, signedFetch } from '@syncline/client';
import { createEventSource } from '@syncline/client/graphql-sse';
import { createSocket } from '@syncline/client/graphql-ws';

const state = { written: '', caughtUp: 0, retries: [] as string[], closed: [] as number[], ended: '' };

/** Follows a feed of a user's own, for as long as the page is there. */
function start(url: string, transport: 'WebSocket' | 'EventSource'): void {
  const session = new Session({ url, identity: Identity.create() });
  const onRetry = ({ code, message }: { code: string; message: string }) => state.retries.push(`${code} ${message}`);
  const closed = (event: unknown) => state.closed.push((event as CloseEvent).code);
  const client = transport === 'WebSocket' ? createSocket(session, { onRetry, on: { closed } }) : createEventSource(session, { onRetry });
  follow(client, { onCaughtUp: () => state.caughtUp++ })
    .run()
    .catch((error: Error) => (state.ended = error.message));
}

/** Writes a record of a user's own; `state` has the answer, once it comes. */
function write(url: string): void {
  const session = new Session({ url, identity: Identity.create() });
  const query = 'mutation ($input: SetRecordInput!) { setRecord(input: $input) { status } }';
  const body = JSON.stringify({ query, variables: { input: { id: 'a', data: '', mutationId: newNonce() } } });
  signedFetch(session)(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    .then((response) => response.text())
    .then(
      (text) => (state.written = text),
      (error: Error) => (state.written = error.message),
    );
}

declare global {
  var tab: { state: typeof state; start: typeof start; write: typeof write };
}
globalThis.tab = { state, start, write };
