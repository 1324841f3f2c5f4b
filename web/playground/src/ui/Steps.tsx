import { useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import type { KeyboardEvent } from 'react';
import { useEffect, useRef } from 'react';

import { exampleOf } from '../model/examples.ts';
import { neighbour } from './neighbour.ts';

/** The tabs of GraphiQL: the examples in their order, and what the user adds. */
export function Steps({ onRestore }: { onRestore: () => void }) {
  const { tabs, activeTabIndex } = useGraphiQL(({ tabs, activeTabIndex }) => ({ tabs, activeTabIndex }));
  const { addTab, changeTab, closeTab } = useGraphiQLActions();
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    list.current?.querySelector('[aria-selected=true]')?.scrollIntoView({ inline: 'center', block: 'nearest' });
  }, [activeTabIndex]);
  // GraphiQL would fill the editors anew, without what they were given within its last 100 ms.
  const open = (index: number) => index !== activeTabIndex && changeTab(index);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Delete' && tabs.length > 1) return closeTab(activeTabIndex);
    const next = neighbour(event.key, activeTabIndex, tabs.length);
    if (next === undefined) return;
    event.preventDefault();
    changeTab(next);
    list.current?.querySelectorAll<HTMLElement>('[role=tab]')[next]?.focus();
  };
  return (
    <div className="steps">
      <div className="steps-tabs" role="tablist" aria-label="Operations" ref={list} onKeyDown={onKeyDown}>
        {tabs.map(({ id, title }, index) => (
          <button
            key={id}
            type="button"
            role="tab"
            aria-selected={index === activeTabIndex}
            aria-controls="operation-editors"
            tabIndex={index === activeTabIndex ? 0 : -1}
            onClick={() => open(index)}
          >
            {exampleOf(title) && <span className="step-number">{index + 1}</span>}
            {title === '<untitled>' ? 'Untitled' : title}
          </button>
        ))}
      </div>
      <div className="steps-actions">
        <button type="button" className="icon" onClick={addTab} aria-label="New tab" title="New tab">
          +
        </button>
        <button
          type="button"
          className="icon"
          onClick={() => closeTab(activeTabIndex)}
          disabled={tabs.length < 2}
          aria-label="Close this tab"
          title="Close this tab"
        >
          ×
        </button>
        <button type="button" className="icon" onClick={onRestore} aria-label="Restore the examples" title="Restore the examples">
          ↺
        </button>
      </div>
    </div>
  );
}
