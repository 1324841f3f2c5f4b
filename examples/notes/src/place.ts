import { useSyncExternalStore } from 'react';

const PREFIX = '#note/';

function subscribe(listener: () => void): () => void {
  addEventListener('hashchange', listener);
  return () => removeEventListener('hashchange', listener);
}

/** The id of the note that is open, which is in the address: so a phone's way back leads to the list. */
export function useOpenNote(): string | undefined {
  return useSyncExternalStore(subscribe, () => (location.hash.startsWith(PREFIX) ? location.hash.slice(1) : undefined));
}

/** Opens a note, or none. */
export function openNote(id: string | undefined): void {
  location.hash = id ?? '';
}
