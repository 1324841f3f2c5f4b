import { useStore, useSyncStatus } from '@syncline/client/react';

/** How things are, in words. */
export function Status() {
  const store = useStore();
  const { connection, pending, refused, evicted, error } = useSyncStatus();
  const waiting = pending.count === 1 ? '1 change waits' : `${pending.count} changes wait`;
  const retry = async () => {
    for (const { seq } of (await store?.refused()) ?? []) await store?.retry(seq);
  };
  return (
    <div className="status" data-connection={connection}>
      <p>
        <span role="status">{connection === 'offline' ? 'Offline.' : connection === 'connecting' ? 'Connecting.' : ''}</span>{' '}
        {pending.count === 0 ? refused === 0 && 'Everything is uploaded.' : connection === 'live' || connection === 'syncing' ? 'Uploading.' : `${waiting} for a network.`}
      </p>
      {refused > 0 && (
        <p role="alert">
          The server did not take {refused === 1 ? '1 change' : `${refused} changes`}. <button onClick={retry}>Try again</button>
        </p>
      )}
      {evicted && evicted.pending > 0 && <p role="alert">The browser removed this page’s data, with {evicted.pending} changes that were not uploaded.</p>}
      {error && connection !== 'offline' && <p role="alert">{error.message}</p>}
    </div>
  );
}
