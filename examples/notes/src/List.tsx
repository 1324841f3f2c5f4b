import { newNonce } from '@syncline/client';
import { useRecords, useSyncStatus } from '@syncline/client/react';
import { useState } from 'react';

import { isFound, nameOf, timeOf } from './notes.ts';
import type { Note } from './notes.ts';
import { openNote } from './place.ts';

/** All notes, the newest first, and a field to search them. */
export function List({ open }: { open: string | undefined }) {
  const records = useRecords<Note>({ prefix: 'note/' });
  const { complete } = useSyncStatus();
  const [words, setWords] = useState('');
  if (!records) return null; // not read yet
  const shown = records
    .filter(({ value }) => (value ? isFound(value, words) : words === ''))
    .sort((a, b) => (b.value?.edited ?? 0) - (a.value?.edited ?? 0));
  return (
    <nav aria-label="Notes">
      <div className="bar">
        <input type="search" aria-label="Search notes" placeholder="Search" value={words} onChange={({ target }) => setWords(target.value)} />
        <button className="primary" onClick={() => openNote(`note/${newNonce()}`)}>New note</button>
      </div>
      <ul>
        {shown.map(({ id, value, problem }) => (
          <li key={id}>
            <a href={`#${id}`} aria-current={id === open ? 'page' : undefined}>
              <strong>{value ? nameOf(value) : 'Not readable'}</strong>
              <span className="excerpt">{value ? value.text : problem?.message}</span>
              {value && <span className="quiet">{timeOf(value)}</span>}
              {value?.others && <span className="badge">Two versions</span>}
            </a>
          </li>
        ))}
      </ul>
      {shown.length === 0 && <p className="empty">{words ? 'No note has these words.' : complete ? 'No notes yet. Write the first one.' : 'Fetching your notes'}</p>}
    </nav>
  );
}
