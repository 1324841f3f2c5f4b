import { useSyncExternalStore } from 'react';

const query = matchMedia('(min-width: 960px)');

/** Whether there is room for operations and a panel side by side. */
export function useWide(): boolean {
  return useSyncExternalStore(
    (changed) => {
      query.addEventListener('change', changed);
      return () => query.removeEventListener('change', changed);
    },
    () => query.matches,
  );
}
