// A backend for frontend: serves notes over plain REST to callers who know
// nothing of signatures, and keeps them in Syncline under an identity of its own.
import { createServer } from 'node:http';

import { Session } from '@syncline/client';

import { serviceIdentity } from './key.js';
import { notes } from './notes.js';
import { Store } from './store.js';

const { env } = process;
const identity = await serviceIdentity(env.SERVICE_KEY, env.SERVICE_KEY_FILE ?? 'service.key');
const session = new Session({ url: env.SYNCLINE_URL ?? 'http://localhost:8080/graphql', identity });
const server = createServer(notes(new Store(session)));
server.listen(Number(env.PORT ?? 8090), '127.0.0.1', () => console.log(`notes of ${identity.publicKey}`));
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => server.close());
