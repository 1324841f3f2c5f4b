import { Fragment } from 'react';

import { timeOf, versionOf } from './notes.ts';
import type { Note, Version } from './notes.ts';

interface Props {
  note: Note;
  onChoose: (chosen: Partial<Note>) => void;
}

/** A note that was changed on two devices apart: its versions side by side, to choose from. */
export function Versions({ note, onChoose }: Props) {
  const versions = [versionOf(note), ...(note.others ?? [])];
  const choose = ({ title, text }: Version) => onChoose({ title, text, others: undefined });
  const all = () => {
    const titles = new Set(versions.map(({ title }) => title).filter(Boolean));
    onChoose({ title: [...titles].join(' / '), text: versions.map(({ text }) => text).join('\n\n'), others: undefined });
  };
  return (
    <section aria-label="Versions">
      <p className="notice">
        <strong>This note was changed on two devices apart.</strong> Nothing is lost: choose a version, or take all and tidy up by hand. Your choice
        counts on all devices.
      </p>
      <div className="versions">
        {versions.map((version, i) => (
          <article key={i} aria-label={`Version ${i + 1}`}>
            <h2>{version.title || 'Untitled'}</h2>
            <p className="quiet">Written {timeOf(version)}</p>
            <Lines version={version} others={versions.filter((each) => each !== version)} />
            <button className="primary" onClick={() => choose(version)}>Keep this one</button>
          </article>
        ))}
      </div>
      <button onClick={all}>Keep all in one note</button>
    </section>
  );
}

/** A text in which what the others do not have is marked. */
function Lines({ version, others }: { version: Version; others: Version[] }) {
  const known = others.map(({ text }) => new Set(text.split('\n')));
  return (
    <p className="text">
      {version.text.split('\n').map((line, i) => (
        <Fragment key={i}>
          {known.every((lines) => lines.has(line)) ? line : <mark>{line}</mark>}
          {'\n'}
        </Fragment>
      ))}
    </p>
  );
}
