import { useDeferredValue, useMemo, useState } from 'react';
import { useStore } from 'zustand';

import { search } from '../model/records.ts';
import type { Order } from '../model/records.ts';
import { useDevice } from './context.ts';
import { RecordEditor } from './RecordEditor.tsx';

/** Records on one page of the list. */
const PAGE = 50;

/** All live records of the present device's user: find, read, change and delete them. */
export function RecordsPanel() {
  const device = useDevice();
  const { publicKey } = useStore(device.person.state).identity; // another tab may change it while a record is open
  return <UsersRecords key={`${device.name} ${publicKey}`} />;
}

function UsersRecords() {
  const device = useDevice();
  const [open, setOpen] = useState<string | null>(null);
  const [text, setText] = useState('');
  const [order, setOrder] = useState<Order>('newest');
  const [page, setPage] = useState(0);
  const version = useDeferredValue(useStore(device.records.version));
  const found = useMemo(() => search(device.records.live, text, order), [device, text, order, version]);
  if (open !== null) return <RecordEditor key={open} id={open} onBack={() => setOpen(null)} />;
  const last = Math.max(Math.ceil(found.length / PAGE) - 1, 0);
  const shown = Math.min(page, last);
  return (
    <>
      <div className="panel-head">
        <h2>
          Records <span className="quiet">{device.person.name}</span>
        </h2>
        <output className="quiet">{text ? `${found.length} of ${device.records.live.size}` : found.length}</output>
      </div>
      <div className="records-search">
        <label className="field">
          <span>Id contains</span>
          <input type="search" value={text} spellCheck={false} onChange={(event) => (setText(event.target.value), setPage(0))} />
        </label>
        <label className="field">
          <span>Sorted by</span>
          <select value={order} onChange={(event) => setOrder(event.target.value as Order)}>
            <option value="newest">Last change</option>
            <option value="id">Id</option>
          </select>
        </label>
      </div>
      {found.length === 0 && <p className="empty">{text ? 'No record has such an id.' : 'No records yet. Run Create, and look here again.'}</p>}
      <ul className="records">
        {found.slice(shown * PAGE, (shown + 1) * PAGE).map(({ id, revision, updatedAt }) => (
          <li key={id}>
            <button type="button" className="record" onClick={() => setOpen(id)}>
              <span className="record-id">{id}</span>
              <span className="quiet">revision {revision}</span>
              <time className="quiet" dateTime={updatedAt}>
                {new Date(updatedAt).toLocaleString()}
              </time>
            </button>
          </li>
        ))}
      </ul>
      {last > 0 && (
        <div className="actions" role="group" aria-label="Pages">
          <button type="button" disabled={shown === 0} onClick={() => setPage(shown - 1)}>
            Back
          </button>
          <button type="button" disabled={shown === last} onClick={() => setPage(shown + 1)}>
            Next
          </button>
          <span className="quiet">{`${shown * PAGE + 1} to ${Math.min((shown + 1) * PAGE, found.length)} of ${found.length}`}</span>
        </div>
      )}
    </>
  );
}
