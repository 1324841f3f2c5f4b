import { useStore } from '@syncline/client/react';
import type { StoredRecord } from '@syncline/client/store';
import { useRef, useState } from 'react';

import { EMPTY, merge } from './notes.ts';
import type { Note } from './notes.ts';

interface Draft {
  /** What to show. */
  note: Note;
  /** Shows a note at once and saves it. */
  write: (next: Note) => void;
  /** Why the last was not saved. */
  problem?: Error | undefined;
}

/**
 * A note as it is being written: what is typed shows at once and is on disk a moment later; what comes from elsewhere
 * shows as soon as nothing typed is on its way. The store makes one write of many, so each key may save.
 */
export function useDraft(id: string, record: StoredRecord<Note> | null): Draft {
  const store = useStore<Note>()!;
  const [typed, setTyped] = useState<{ note: Note; upon: typeof record; saved: boolean }>();
  const [problem, setProblem] = useState<Error>();
  const writing = useRef(0);
  const saved = useRef(EMPTY); // what of it the store has: where a write fails, less than was typed
  const isPast = typed?.saved && record !== typed.upon; // the record has it
  const note = (!isPast && typed?.note) || record?.value || EMPTY;
  const write = (mine: Note) => {
    if (!typed || isPast) saved.current = note;
    setTyped({ note: mine, upon: record, saved: false });
    writing.current++;
    const ended = (error?: Error) => {
      setProblem(error);
      if (--writing.current === 0 && !error) setTyped((last) => last && { ...last, saved: true });
    };
    // Another device's change may have come since this was shown: then it is a conflict like any other.
    store.update(id, (theirs) => (theirs ? merge({ id, base: saved.current, mine, theirs }) : mine)).then(() => {
      saved.current = mine;
      ended();
    }, ended);
  };
  return { note, write, problem };
}
