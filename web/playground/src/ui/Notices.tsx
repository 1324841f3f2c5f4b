import { useState } from 'react';
import { useStore } from 'zustand';

import { advise } from '../model/advice.ts';
import type { Person } from '../model/person.ts';
import { usePlayground } from './context.ts';
import { LinkNotice } from './LinkNotice.tsx';

/** A clock this many seconds off is worth a word. */
const CLOCK_TOLERANCE = 60;

/** What is wrong with server, clock or browser, and what to do about it. */
export function Notices() {
  const { people } = usePlayground();
  return (
    <section className="notices" aria-label="Notices" aria-live="polite">
      <LinkNotice />
      <ServerNotice />
      <ClockNotice />
      {people.map((person) => (
        <KeyNotice key={person.name} person={person} />
      ))}
    </section>
  );
}

function ServerNotice() {
  const playground = usePlayground();
  const error = useStore(playground.greeting, (greeting) => greeting?.error);
  const [asking, setAsking] = useState(false);
  if (!error) return null;
  const { title, text } = advise(error);
  const tryAgain = async () => {
    setAsking(true);
    await playground.greet();
    setAsking(false);
  };
  return (
    <div className="notice problem" role="alert">
      <p>
        <strong>{title}.</strong> {text}
      </p>
      <button type="button" onClick={() => void tryAgain()} disabled={asking}>
        {asking ? 'Trying…' : 'Try again'}
      </button>
    </div>
  );
}

function ClockNotice() {
  const behind = useStore(usePlayground().greeting, (greeting) => greeting?.clockBehind ?? 0);
  const [dismissed, setDismissed] = useState(false);
  if (dismissed || Math.abs(behind) < CLOCK_TOLERANCE) return null;
  return (
    <div className="notice">
      <p>
        <strong>This device’s clock is {inWords(Math.abs(behind))} {behind > 0 ? 'behind' : 'ahead of'} the server’s.</strong> The playground signs
        by the server’s clock, so all works here. Other programs on this device may be refused with SIGNATURE_EXPIRED: set the clock.
      </p>
      <button type="button" onClick={() => setDismissed(true)}>
        Dismiss
      </button>
    </div>
  );
}

function KeyNotice({ person }: { person: Person }) {
  const { notKept, fromAnotherTab } = useStore(person.state);
  if (fromAnotherTab) {
    return (
      <div className="notice">
        <p>
          <strong>{person.name} is another user now.</strong> Another tab of this browser changed the key, and this one goes along.
        </p>
        <button type="button" onClick={() => person.dismiss()}>
          Dismiss
        </button>
      </div>
    );
  }
  if (!notKept) return null;
  const { title, text } = advise(notKept);
  return (
    <div className="notice problem" role="alert">
      <p>
        <strong>
          {person.name}: {title}.
        </strong>{' '}
        {text}
      </p>
    </div>
  );
}

function inWords(seconds: number): string {
  if (seconds < 5400) return `${Math.round(seconds / 60)} minutes`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} hours` : `${Math.round(seconds / 86_400)} days`;
}
