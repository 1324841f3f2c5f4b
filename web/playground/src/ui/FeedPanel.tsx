import { useStore } from 'zustand';

import { advise } from '../model/advice.ts';
import type { FeedState, FeedStatus } from '../model/feed.ts';
import { useDevice } from './context.ts';
import { FeedEntry } from './FeedEntry.tsx';
import { StatusDot } from './StatusDot.tsx';

const STATUS: Readonly<Record<FeedStatus, string>> = {
  connecting: 'Connecting…',
  replaying: 'Reading what was there…',
  live: 'Live: changes show up as they happen',
  offline: 'Offline: trying to connect again',
  ended: 'Ended',
};

/** The feed of the device that the page acts as, newest first. */
export function FeedPanel() {
  const device = useDevice();
  const { status, items, error } = useStore(device.feed.state);
  return (
    <>
      <div className="panel-head">
        <h2>
          Live feed <span className="quiet">{`${device.person.name} · ${device.name}`}</span>
        </h2>
        <button type="button" onClick={() => device.feed.clear()} disabled={items.length === 0}>
          Clear
        </button>
      </div>
      <p className="status" role="status">
        <StatusDot status={status} />
        {STATUS[status]}
      </p>
      {error && <FeedError error={error} />}
      {!items.some(({ kind }) => kind === 'record') && <p className="empty">Nothing yet. Run Create, and watch it arrive here.</p>}
      <div role="log" aria-label="Events, newest first">
        <ol className="feed">
          {items.map((item) => (
            <FeedEntry key={item.key} item={item} ownClientId={device.clientId} />
          ))}
        </ol>
      </div>
    </>
  );
}

function FeedError({ error }: { error: NonNullable<FeedState['error']> }) {
  const { title, text } = advise(error);
  return (
    <div className="notice problem" role="alert">
      <p>
        <strong>{title}.</strong> {text}
      </p>
      <button type="button" onClick={() => location.reload()}>
        Reload
      </button>
    </div>
  );
}
