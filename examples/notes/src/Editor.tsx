import { useRecord } from '@syncline/client/react';
import type { StoredRecord } from '@syncline/client/store';
import { useEffect, useRef } from 'react';

import { useDraft } from './draft.ts';
import { nameOf } from './notes.ts';
import type { Note } from './notes.ts';
import { openNote } from './place.ts';
import { Versions } from './Versions.tsx';

interface Props {
  id: string;
  onDelete: (id: string, note: Note) => void;
}

/** A note, to read and to write. One that is not there is new, and is there with its first character. */
export function Editor({ id, onDelete }: Props) {
  const record = useRecord<Note>(id);
  const wasThere = useRef(false);
  useEffect(() => {
    if (record) wasThere.current = true;
    if (record === null && wasThere.current) openNote(undefined); // it was deleted, here or elsewhere
  }, [record]);
  if (record === undefined) return null; // not read yet
  if (record?.problem) return <p role="alert">This note cannot be read: {record.problem.message}</p>;
  return <Fields id={id} record={record} onDelete={onDelete} />;
}

/** What a note may have, so that two versions of it fit one record of 64 KiB in any script. */
const LONGEST = 10_000;

function Fields({ id, record, onDelete }: Props & { record: StoredRecord<Note> | null }) {
  const { note, write, problem } = useDraft(id, record);
  const change = (changed: Partial<Note>) => write({ ...note, ...changed, edited: Date.now() });
  return (
    <article className="editor" aria-label={nameOf(note)}>
      <div className="bar">
        <a className="button back" href="#">‹ Notes</a>
        {record && <button onClick={() => onDelete(id, note)}>Delete</button>}
      </div>
      {problem && <p role="alert">Not saved: {problem.message}</p>}
      {note.others ? (
        <Versions note={note} onChoose={change} />
      ) : (
        <>
          <input aria-label="Title" placeholder="Title" maxLength={200} value={note.title} onChange={({ target }) => change({ title: target.value })} autoFocus={!record} />
          <textarea aria-label="Text" placeholder="Write" maxLength={LONGEST} value={note.text} onChange={({ target }) => change({ text: target.value })} />
        </>
      )}
    </article>
  );
}
