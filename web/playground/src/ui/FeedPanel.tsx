import { useState } from 'react';
import { useStore } from 'zustand';

import { advise } from '../model/advice.ts';
import type { FeedItem, FeedState, FeedStatus } from '../model/feed.ts';
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

/** Events that are put on the page at a time. */
const WINDOW = 50;

/** The feed of the device that the page acts as, newest first. */
export function FeedPanel() {
  const device = useDevice();
  return <DeviceFeed key={device.name} />;
}

function DeviceFeed() {
  const device = useDevice();
  const { status, items, count, dropped, error } = useStore(device.feed.state);
  const [paused, setPaused] = useState<{ items: readonly FeedItem[]; count: number } | null>(null);
  const [filter, setFilter] = useState('');
  const [most, setMost] = useState(WINDOW);
  const matching = (paused?.items ?? items).filter((item) => filter === '' || (item.kind === 'record' && item.record.id.includes(filter)));
  const clear = () => {
    device.feed.clear();
    setPaused(null);
    setMost(WINDOW);
  };
  return (
    <>
      <div className="panel-head">
        <h2>
          Live feed <span className="quiet">{`${device.person.name} · ${device.name}`}</span>
        </h2>
        <div className="actions">
          <button type="button" aria-pressed={paused !== null} onClick={() => setPaused(paused ? null : { items, count })}>
            {paused ? 'Go on' : 'Pause'}
          </button>
          <button type="button" onClick={clear} disabled={items.length === 0}>
            Clear
          </button>
        </div>
      </div>
      <p className="status" role="status">
        <StatusDot status={status} />
        {paused ? `Paused, ${count - paused.count} came since` : STATUS[status]}
      </p>
      {error && <FeedError error={error} />}
      {count === 0 ? (
        <p className="empty">Nothing yet. Run Create, and watch it arrive here.</p>
      ) : (
        <label className="field">
          <span>Only records whose id contains</span>
          <input type="search" value={filter} spellCheck={false} onChange={(event) => setFilter(event.target.value)} />
        </label>
      )}
      <div role="log" aria-label="Events, newest first">
        <ol className="feed">
          {matching.slice(0, most).map((item) => (
            <FeedEntry key={item.key} item={item} ownClientId={device.clientId} />
          ))}
        </ol>
      </div>
      {matching.length > most && (
        <button type="button" onClick={() => setMost(most + WINDOW)}>
          Show older: {matching.length - most} more
        </button>
      )}
      {matching.length <= most && dropped > 0 && <p className="quiet">{dropped} older ones are not kept here: Records has what they left.</p>}
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
