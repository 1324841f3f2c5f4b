import { useStore } from '@syncline/client/react';
import { useState } from 'react';

import { Editor } from './Editor.tsx';
import { LinkDevice } from './LinkDevice.tsx';
import { List } from './List.tsx';
import { nameOf } from './notes.ts';
import type { Note } from './notes.ts';
import { openNote, useOpenNote } from './place.ts';
import { Status } from './Status.tsx';

/** The list and the note that is open: side by side, or, on a phone, one of them. */
export function App() {
  const store = useStore<Note>();
  const open = useOpenNote();
  const [deleted, setDeleted] = useState<{ id: string; note: Note }>();
  if (!store) return null; // being opened
  const remove = async (id: string, note: Note) => {
    await store.delete(id);
    setDeleted({ id, note });
  };
  const undo = async ({ id, note }: { id: string; note: Note }) => {
    await store.put(id, note);
    setDeleted(undefined);
    openNote(id);
  };
  return (
    <main className="app" data-open={open !== undefined}>
      <h1 className="unseen">Notes</h1>
      <div className="side">
        <header>
          <p className="name" aria-hidden>Notes</p>
          <LinkDevice />
        </header>
        <List open={open} />
        <Status />
      </div>
      <div className="pane">{open ? <Editor key={open} id={open} onDelete={remove} /> : <p className="empty">Choose a note, or write a new one.</p>}</div>
      <div className="toast" role="status">
        {deleted && (
          <p>
            <span>Deleted “{nameOf(deleted.note)}”.</span>
            <button onClick={() => undo(deleted)}>Undo</button>
            <button aria-label="Dismiss" onClick={() => setDeleted(undefined)}>✕</button>
          </p>
        )}
      </div>
    </main>
  );
}
