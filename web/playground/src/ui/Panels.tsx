import type { KeyboardEvent, ReactNode } from 'react';
import { useRef } from 'react';

import { DataPanel } from './DataPanel.tsx';
import { DocsPanel } from './DocsPanel.tsx';
import { FeedPanel } from './FeedPanel.tsx';
import { HistoryPanel } from './HistoryPanel.tsx';
import { IdentityPanel } from './IdentityPanel.tsx';
import { LocksPanel } from './LocksPanel.tsx';
import { neighbour } from './neighbour.ts';
import { OPERATION, usePanel } from './panel.ts';
import { RecordsPanel } from './RecordsPanel.tsx';
import { RequestPanel } from './RequestPanel.tsx';

const panels: readonly { name: string; content: ReactNode }[] = [
  { name: 'Feed', content: <FeedPanel /> },
  { name: 'Records', content: <RecordsPanel /> },
  { name: 'Locks', content: <LocksPanel /> },
  { name: 'Request', content: <RequestPanel /> },
  { name: 'History', content: <HistoryPanel /> },
  { name: 'Identity', content: <IdentityPanel /> },
  { name: 'Data', content: <DataPanel /> },
  { name: 'Docs', content: <DocsPanel /> },
];

/** One panel at a time; where the screen is narrow, the operation is one of them. */
export function Panels({ operation }: { operation: ReactNode }) {
  const shown = operation ? [{ name: OPERATION, content: operation }, ...panels] : panels;
  const { name: chosen, open } = usePanel();
  const list = useRef<HTMLDivElement>(null);
  const index = Math.max(
    shown.findIndex(({ name }) => name === chosen),
    0,
  );
  const onKeyDown = (event: KeyboardEvent) => {
    const next = neighbour(event.key, index, shown.length);
    if (next === undefined) return;
    event.preventDefault();
    open(shown[next]!.name);
    list.current?.querySelectorAll<HTMLElement>('[role=tab]')[next]?.focus();
  };
  return (
    <section className="panels" aria-label="Panels">
      <div className="panels-tabs" role="tablist" aria-label="Panels" ref={list} onKeyDown={onKeyDown}>
        {shown.map(({ name }, i) => (
          <button
            key={name}
            type="button"
            role="tab"
            id={`tab-${name}`}
            aria-selected={i === index}
            aria-controls={`panel-${name}`}
            tabIndex={i === index ? 0 : -1}
            onClick={() => open(name)}
          >
            {name}
          </button>
        ))}
      </div>
      {shown.map(({ name, content }, i) => (
        <div key={name} className="panel" role="tabpanel" id={`panel-${name}`} aria-labelledby={`tab-${name}`} hidden={i !== index} tabIndex={0}>
          {i === index && content}
        </div>
      ))}
    </section>
  );
}
