import { useState } from 'react';
import { useStore } from 'zustand';

import { titleOf } from '../model/history.ts';
import { usePlayground } from './context.ts';
import { useOperationOpener } from './useOperation.ts';

/** Entries that are put on the page at a time, and what shows of one's variables. */
const WINDOW = 50;
const GLIMPSE = 200;

/** The operations that were run in this browser: find one, and open it again. */
export function HistoryPanel() {
  const { history } = usePlayground();
  const operations = useStore(history.state);
  const open = useOperationOpener();
  const [text, setText] = useState('');
  const [most, setMost] = useState(WINDOW);
  const found = operations.filter(({ query, variables }) => query.includes(text) || variables.includes(text));
  return (
    <>
      <div className="panel-head">
        <h2>History</h2>
        <button type="button" onClick={() => history.clear()} disabled={operations.length === 0}>
          Clear
        </button>
      </div>
      <p className="quiet">What was run in this browser, and is kept in it. Pressed, it opens in a tab of its own and waits for Run.</p>
      <label className="field">
        <span>Operation or variables contain</span>
        <input type="search" value={text} spellCheck={false} onChange={(event) => setText(event.target.value)} />
      </label>
      {found.length === 0 && <p className="empty">{text ? 'No operation has this text.' : 'Nothing was run yet.'}</p>}
      <ul className="records" aria-label="Operations that were run, newest first">
        {found.slice(0, most).map((past) => (
          <li key={`${past.at} ${past.query} ${past.variables}`}>
            <button type="button" className="record" onClick={() => open?.(past)}>
              <span className="record-id">{titleOf(past)}</span>
              <span className="glimpse quiet">{past.variables.replace(/\s+/g, ' ').slice(0, GLIMPSE)}</span>
              <time className="quiet" dateTime={new Date(past.at).toISOString()}>
                {new Date(past.at).toLocaleString()}
              </time>
            </button>
          </li>
        ))}
      </ul>
      {found.length > most && (
        <button type="button" onClick={() => setMost(most + WINDOW)}>
          Show older: {found.length - most} more
        </button>
      )}
    </>
  );
}
