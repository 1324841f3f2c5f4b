import { follow, Identity, Session } from '@syncline/client';
import { createEventSource } from '@syncline/client/graphql-sse';
import { createSocket } from '@syncline/client/graphql-ws';

const state = { caughtUp: 0, retries: [] as string[], closed: [] as number[], ended: '' };

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

declare global {
  var tab: { state: typeof state; start: typeof start };
}
globalThis.tab = { state, start };
