import type { RefusedWrite } from '@syncline/client/store';
import { useStore, useSyncStatus } from '@syncline/client/react';
import { useEffect, useState } from 'react';

import type { Note } from './notes.ts';

/** How things are, in words. */
export function Status() {
  const { connection, pending, refused, evicted, error } = useSyncStatus();
  const waiting = pending.count === 1 ? '1 change waits' : `${pending.count} changes wait`;
  return (
    <div className="status" data-connection={connection}>
      <p>
        <span role="status">{connection === 'offline' ? 'Offline.' : connection === 'connecting' ? 'Connecting.' : ''}</span>{' '}
        {pending.count === 0 ? refused === 0 && 'Everything is uploaded.' : connection === 'live' || connection === 'syncing' ? 'Uploading.' : `${waiting} for a network.`}
      </p>
      {refused > 0 && <SetAside count={refused} />}
      {evicted && evicted.pending > 0 && <p role="alert">The browser removed this page’s data, with {evicted.pending} changes that were not uploaded.</p>}
      {error && connection !== 'offline' && <p role="alert">{error.message}</p>}
    </div>
  );
}

/** Changes that are not uploaded by themselves any more, by reason: a person decides. */
function SetAside({ count }: { count: number }) {
  const store = useStore<Note>();
  const [all, setAll] = useState<RefusedWrite<Note>[]>([]);
  useEffect(() => {
    let over = false;
    void store?.refused().then((found) => over || setAll(found));
    return () => void (over = true);
  }, [store, count]);
  const codes = [...new Set(all.map(({ code }) => code))];
  return codes.map((code) => {
    const those = all.filter((each) => each.code === code);
    const decide = async (act: 'retry' | 'drop') => {
      for (const { seq } of those) await store?.[act](seq);
    };
    return (
      <p role="alert" key={code}>
        {those.length === 1 ? '1 change' : `${those.length} changes`} {reasonOf(code)} <button onClick={() => decide('retry')}>Send again</button>{' '}
        <button onClick={() => decide('drop')}>Discard</button>
      </p>
    );
  });
}

function reasonOf(code: string): string {
  if (code === 'ERASED') return 'made here before all notes were erased on another device.';
  if (code === 'TOO_OLD_TO_RETRY') return 'made here long ago: uploaded perhaps, and changed elsewhere since.';
  if (code === 'QUOTA_EXCEEDED') return 'not uploaded: the server has no room left for your notes.';
  return 'not taken by the server.';
}
