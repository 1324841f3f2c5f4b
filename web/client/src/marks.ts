/**
 * Marks in localStorage of what IndexedDB should have. Browsers that need room do not all evict both together, and
 * without a mark a database that was removed looks like one that never was. Where there is no localStorage nothing is known.
 */
export function markOf(name: string): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    return null; // blocked, or not a page
  }
}

/** Null removes it. Answers whether that was possible. */
export function mark(name: string, text: string | null): boolean {
  try {
    if (text === null) localStorage.removeItem(name);
    else localStorage.setItem(name, text);
    return true;
  } catch {
    return false; // blocked, full, or not a page
  }
}
