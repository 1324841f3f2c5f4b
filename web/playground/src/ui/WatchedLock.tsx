import { useEffect, useState } from 'react';

import { asSynclineError } from '../model/errors.ts';
import { releaseLock, watchLock } from '../model/locks.ts';
import type { LockHolder, LockState } from '../model/locks.ts';
import { useDevice, usePlayground } from './context.ts';

/** A lock as it is, until it goes from the page. */
export function WatchedLock({ name }: { name: string }) {
  const device = useDevice();
  const [state, setState] = useState<LockState | null>(null);
  const [problem, setProblem] = useState('');
  const refused = ({ message, code }: { message: string; code: string }) => setProblem(`${message} (${code})`);
  useEffect(() => watchLock(device, name, setState, refused), [device, name]);
  const release = (instanceId: string) => void releaseLock(device, name, instanceId).catch((error) => refused(asSynclineError(error)));
  return (
    <li className="feed-entry" data-live={state?.locked ?? false}>
      <div className="feed-entry-head">
        <strong className="lock-name">{name}</strong>
        {state && <span className={state.locked ? 'badge warn' : 'badge'}>{state.locked ? (state.exclusive ? 'exclusive' : 'shared') : 'free'}</span>}
        <button type="button" className="copy" onClick={() => device.person.locks.remove(name)} aria-label={`Remove ${name}`}>
          Remove
        </button>
      </div>
      {problem && (
        <p className="problem-text" role="alert">
          {problem}
        </p>
      )}
      {state?.locked && (
        <ul className="holders" aria-label={`Holders of ${name}`}>
          {state.holders.map((holder) => (
            <Holder key={holder.instanceId} holder={holder} onRelease={() => release(holder.instanceId)} />
          ))}
        </ul>
      )}
    </li>
  );
}

function Holder({ holder: { instanceId, token, expiresAt }, onRelease }: { holder: LockHolder; onRelease: () => void }) {
  const device = useDevice();
  const { devices } = usePlayground();
  const own = devices.find((other) => other.instanceId === instanceId);
  const who = own === device ? 'This device' : (own?.name ?? instanceId);
  const left = useSecondsUntil(expiresAt);
  return (
    <li>
      <span className="holder-name">{who}</span>
      <span className="quiet">token {token}</span>
      <time className="quiet" dateTime={expiresAt} title={new Date(expiresAt).toLocaleString()}>
        {left > 0 ? `${left} s left` : 'run out'}
      </time>
      <button type="button" className="danger" onClick={onRelease} aria-label={`Release, held by ${who}`}>
        Release
      </button>
    </li>
  );
}

/** How many seconds are left until a time of the server's clock, counted down. */
function useSecondsUntil(time: string): number {
  const { session } = useDevice();
  const seconds = () => Math.max(0, Math.ceil((Date.parse(time) - session.now()) / 1000));
  const [left, setLeft] = useState(seconds);
  useEffect(() => {
    setLeft(seconds());
    const timer = setInterval(() => setLeft(seconds()), 250);
    return () => clearInterval(timer);
  }, [time, session]);
  return left;
}
