import type { Conflict } from '@syncline/client/store';

/** What somebody wrote, and when: milliseconds since 1970, by the clock of their device. */
export interface Version {
  title: string;
  text: string;
  edited: number;
}

/** A note. Where it was changed on two devices apart, it has the versions of the others until somebody chose. */
export interface Note extends Version {
  others?: Version[];
}

export const EMPTY: Note = { title: '', text: '', edited: 0 };

export const versionOf = ({ title, text, edited }: Note): Version => ({ title, text, edited });

const isSame = (a: Version, b: Version) => a.title === b.title && a.text === b.text;

/**
 * Makes one note of two that were changed apart. What only one side changed is taken from that side. Where both changed the
 * title, or both the text, no machine can know what is meant: the note keeps both versions, also on all other devices,
 * so that a person can choose, on any of them and whenever they like. A change wins over a deletion.
 */
export function merge({ base = EMPTY, mine, theirs }: Conflict<Note>): Note | undefined {
  if (!mine || !theirs) return mine ?? theirs;
  const clash = (['title', 'text'] as const).some((field) => mine[field] !== base[field] && theirs[field] !== base[field] && mine[field] !== theirs[field]);
  const merged: Note = clash
    ? versionOf(mine)
    : {
        title: mine.title === base.title ? theirs.title : mine.title,
        text: mine.text === base.text ? theirs.text : mine.text,
        edited: Math.max(mine.edited, theirs.edited),
      };
  const others = [...(mine.others ?? []), ...(theirs.others ?? []).filter((each) => !has(mine, each)), ...(clash ? [versionOf(theirs)] : [])].filter(
    (each) => !(has(base, each) && !(has(mine, each) && has(theirs, each))), // a person has chosen
  );
  // The base is what this side went on from: another device may have kept it as a version of its own.
  const left = others.filter((each) => !isSame(each, merged) && !isSame(each, base));
  return left.length > 0 ? { ...merged, others: left } : merged;
}

const has = ({ others = [] }: Note, version: Version) => others.some((each) => isSame(each, version));

/** What a note is called in a list. */
export function nameOf({ title, text }: Version): string {
  return title.trim() || text.trim().split('\n', 1)[0]! || 'Untitled';
}

export function isFound(note: Note, words: string): boolean {
  const all = [note, ...(note.others ?? [])].map(({ title, text }) => `${title}\n${text}`).join('\n').toLowerCase();
  return words.toLowerCase().split(/\s+/).every((word) => all.includes(word));
}

const shortly = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

export const timeOf = ({ edited }: Version): string => shortly.format(edited);
