import { useState } from 'react';

import { copy } from './copy.ts';

type State = 'idle' | 'copied' | 'failed';

const TEXT: Readonly<Record<State, string>> = { idle: 'Copy', copied: 'Copied', failed: 'Select and press Ctrl+C' };

/** Puts text on the clipboard, and says whether it worked. */
export function CopyButton({ text, label }: { text: string; label: string }) {
  const [state, setState] = useState<State>('idle');
  const onClick = async () => setState((await copy(text)) ? 'copied' : 'failed');
  return (
    <button type="button" className="copy" onClick={() => void onClick()} onBlur={() => setState('idle')} aria-label={state === 'idle' ? label : TEXT[state]}>
      <span aria-live="polite">{TEXT[state]}</span>
    </button>
  );
}
