import { useEffect, useState } from 'react';

import { readLink } from '../model/link.ts';
import { useOperationOpener } from './useOperation.ts';

type Arrival = 'opened' | 'damaged';

const TEXT: Readonly<Record<Arrival, { title: string; text: string }>> = {
  opened: { title: 'This operation came by a link.', text: 'Nothing was sent. Read it before you run it: it acts as you.' },
  damaged: { title: 'The link cannot be read.', text: 'It may have been cut on the way: ask for it again.' },
};

/** Opens what the page's address carries, and says so. */
export function LinkNotice() {
  const open = useOperationOpener();
  const [arrival, setArrival] = useState<Arrival | null>(null);
  const isReady = open !== undefined;
  useEffect(() => {
    if (!open) return;
    const take = () => {
      const linked = readLink(location.hash);
      if (linked === undefined) return;
      history.replaceState(null, '', location.pathname + location.search); // a reload does not open it again
      if (linked) open(linked);
      setArrival(linked ? 'opened' : 'damaged');
    };
    take();
    addEventListener('hashchange', take);
    return () => removeEventListener('hashchange', take);
  }, [isReady]);
  if (!arrival) return null;
  const { title, text } = TEXT[arrival];
  return (
    <div className="notice" role="status">
      <p>
        <strong>{title}</strong> {text}
      </p>
      <button type="button" onClick={() => setArrival(null)}>
        Dismiss
      </button>
    </div>
  );
}
