import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { follow, Identity, Session, signedFetch } from '@syncline/client';
import type { Subscriber } from '@syncline/client';
import { createEventSource } from '@syncline/client/graphql-sse';
import { createSocket } from '@syncline/client/graphql-ws';
import { Server, until } from 'syncline-testing';
import WebSocket from 'ws';

import { set } from './call.js';

let server: Server;
before(async () => (server = await Server.start()));
after(() => server.stop());

type Live = Subscriber & { dispose(): unknown };
const transports: [name: string, make: (session: Session) => Live][] = [
  ['graphql-ws', (session) => createSocket(session, { webSocketImpl: WebSocket })],
  ['graphql-sse', (session) => createEventSource(session)],
];

for (const [name, make] of transports) {
  test(`${name}: follows across a server that is killed, nothing lost and nothing twice`, async () => {
    const session = new Session({ url: server.url, identity: Identity.create() });
    const send = signedFetch(session, { attempts: Infinity });
    const client = make(session);
    const control = new AbortController();
    const seen: string[] = [];
    const saved: string[] = [];
    let caughtUp = 0;
    const following = follow(client, {
      since: '0',
      onRecord: ({ id }) => seen.push(id),
      onCaughtUp: () => caughtUp++,
      save: (cursor) => saved.push(cursor),
      signal: control.signal,
    }).run();
    const over = assert.rejects(following, { message: 'done' });

    const ids = Array.from({ length: 30 }, (_, i) => `n${i}`);
    await until(() => caughtUp === 1);
    for (const id of ids.slice(0, 10)) await set(server.url, send, id, id);
    await until(() => seen.length === 10);
    await server.kill();
    await server.start();
    for (const id of ids.slice(10, 20)) await set(server.url, send, id, id);
    await server.kill();
    const writing = set(server.url, send, ids[20]!, 'while away');
    await server.start();
    await writing;
    for (const id of ids.slice(21)) await set(server.url, send, id, id);

    await until(() => seen.length >= ids.length && caughtUp >= 2);
    assert.deepEqual(seen, ids);
    await until(() => saved.length === ids.length + caughtUp);
    control.abort(new Error('done'));
    await over;
    await client.dispose();
  });

  test(`${name}: the cursor is saved only once an event is applied`, async () => {
    const session = new Session({ url: server.url, identity: Identity.create() });
    const send = signedFetch(session);
    for (const id of ['a', 'b', 'c']) await set(server.url, send, id, id);
    const client = make(session);
    let saved = '0';
    const seen: string[] = [];
    const options = () => ({ since: saved, save: (cursor: string) => (saved = cursor) });
    for await (const { record } of follow(client, options())) {
      seen.push(record!.id);
      if (record!.id === 'b') break; // before it is applied
    }
    for await (const { kind, record } of follow(client, options())) {
      if (kind === 'CAUGHT_UP') break;
      seen.push(record.id);
    }
    assert.deepEqual(seen, ['a', 'b', 'b', 'c']);
    await client.dispose();
  });

  test(`${name}: a clock hours off is corrected`, async () => {
    const now = () => Date.now() - 7 * 3_600_000;
    const session = new Session({ url: server.url, identity: Identity.create(), now });
    const client = make(session);
    for await (const { kind } of follow(client)) {
      assert.equal(kind, 'CAUGHT_UP');
      break;
    }
    await client.dispose();
  });

  test(`${name}: a cursor that does not fit ends the feed with its code`, async () => {
    const session = new Session({ url: server.url, identity: Identity.create() });
    const client = make(session);
    await assert.rejects(follow(client, { since: '999' }).run(), { code: 'EPOCH_MISMATCH' });
    await assert.rejects(follow(client, { since: '?' }).run(), { code: 'BAD_USER_INPUT' });
    await client.dispose();
  });

  test(`${name}: another identity sees nothing of the first, whose feed ends`, async () => {
    const session = new Session({ url: server.url, identity: Identity.create() });
    const client = make(session);
    await set(server.url, signedFetch(session), 'secret', 'of the first');
    const seen: string[] = [];
    let caughtUp = 0;
    const options = { since: '0', onRecord: ({ id }: { id: string }) => seen.push(id), onCaughtUp: () => caughtUp++ };
    const first = assert.rejects(follow(client, options).run(), { code: 'IDENTITY_CHANGED' });
    await until(() => caughtUp === 1);
    await session.switchTo(Identity.create());
    await first;

    const second = assert.rejects(follow(client, options).run(), { code: 'IDENTITY_CHANGED' });
    await until(() => caughtUp === 2);
    await set(server.url, signedFetch(session), 'own', 'of the second');
    await until(() => seen.length === 2);
    assert.deepEqual(seen, ['secret', 'own']);
    await session.switchTo(Identity.create());
    await second;
    await client.dispose();
  });

  test(`${name}: a slow consumer gets every record, over more than one subscription`, async () => {
    const session = new Session({ url: server.url, identity: Identity.create() });
    const send = signedFetch(session);
    const total = 2500;
    for (let start = 0; start < total; start += 100) {
      const writes = Array.from({ length: 100 }, (_, i) => ({ set: { id: `r${start + i}`, data: '' } }));
      const query = 'mutation ($input: WriteRecordsInput!) { writeRecords(input: $input) { status } }';
      const body = JSON.stringify({ query, variables: { input: { writes } } });
      await send(server.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    }
    let subscriptions = 0;
    let released = false;
    const client = make(session);
    const counting: Subscriber = {
      subscribe(payload, sink) {
        subscriptions++;
        const release = client.subscribe(payload, sink);
        return () => ((released = true), release());
      },
    };
    const seen: number[] = [];
    for await (const { kind, record } of follow(counting, { since: '0' })) {
      if (kind === 'CAUGHT_UP') break;
      if (seen.length === 0) await until(() => released);
      seen.push(record.revision);
    }
    assert.deepEqual(seen, Array.from({ length: total }, (_, i) => i + 1));
    assert.ok(subscriptions > 1);
    await client.dispose();
  });
}
