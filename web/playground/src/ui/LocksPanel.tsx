import type { FormEvent } from 'react';
import { useState } from 'react';
import { useStore } from 'zustand';

import { useDevice } from './context.ts';
import { WatchedLock } from './WatchedLock.tsx';

/** The locks of the present device's user that the page knows: who holds each, and for how long still. */
export function LocksPanel() {
  const device = useDevice();
  const { locks, name: user } = device.person;
  const names = useStore(locks.state);
  const { publicKey } = useStore(device.person.state).identity;
  const { status } = useStore(device.feed.state);
  const [text, setText] = useState('');
  const watch = (event: FormEvent) => {
    event.preventDefault();
    if (text !== '') locks.add(text);
    setText('');
  };
  return (
    <>
      <div className="panel-head">
        <h2>
          Locks <span className="quiet">{user}</span>
        </h2>
      </div>
      <p className="quiet">Those that an answer on this page named, and those that you name: the server has no list of locks.</p>
      <form className="records-search" onSubmit={watch}>
        <label className="field">
          <span>Name of a lock</span>
          <input type="text" value={text} spellCheck={false} onChange={(event) => setText(event.target.value)} />
        </label>
        <button type="submit" className="beside-field">
          Watch
        </button>
      </form>
      {status === 'offline' && <p className="problem-text">The server cannot be reached: this is what it told last.</p>}
      {names.length === 0 && <p className="empty">No lock is known yet. Run Lock, or name one.</p>}
      <ul className="records" aria-label="Locks">
        {names.map((name) => (
          <WatchedLock key={`${device.name} ${publicKey} ${name}`} name={name} />
        ))}
      </ul>
    </>
  );
}
