import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Identity, Session } from '@syncline/client';
import { SyncProvider, useRecord, useRecords, useStore, useSyncStatus } from '@syncline/client/react';
import type { SyncProviderProps } from '@syncline/client/react';
import { memoryStorage, openStore } from '@syncline/client/store';
import { renderToString } from 'react-dom/server';

function Page() {
  const { connection, uploaded } = useSyncStatus();
  const seen = [useStore(), useRecord('a'), useRecords(), useRecords({ prefix: 'a' }), useRecords(['a'])];
  return <p>{`${connection} ${uploaded} ${seen.every((each) => each === undefined)}`}</p>;
}

test('a server renders that nothing is known yet, without a store, and the same while one is being opened', async (t) => {
  const complained = t.mock.method(console, 'error', () => {});
  const session = new Session({ url: 'http://127.0.0.1:9/graphql', identity: Identity.create() });
  const opening = openStore(session, { storage: memoryStorage() });
  const stores: SyncProviderProps['store'][] = [undefined, opening];
  for (const store of stores) {
    assert.equal(renderToString(<SyncProvider store={store}><Page /></SyncProvider>), '<p>connecting false true</p>');
  }
  const store = await opening;
  t.after(() => store.close());
  await store.put('a', 1);
  const Shown = () => <p>{String(useRecord('a') ?? useRecords())}</p>;
  assert.equal(renderToString(<SyncProvider store={store}><Shown /></SyncProvider>), '<p>undefined</p>');
  assert.deepEqual(complained.mock.calls, [], 'React would tell of snapshots that differ each time');
});

test('a hook without a provider says so', () => {
  assert.throws(() => renderToString(<Page />), /SyncProvider/);
});
