/**
 * A note outside of IndexedDB, in localStorage, which browsers do not all evict together with it: without it a
 * database that was removed looks like one that never was. Where there is no localStorage it knows nothing.
 */
export class Witness {
  #noted: number | undefined;

  constructor(private readonly name: string) {
    this.#noted = this.pending;
  }

  /** How many writes waited when the database was seen last; undefined if it was never seen. */
  get pending(): number | undefined {
    try {
      const text = localStorage.getItem(this.name);
      return text === null ? undefined : Number(text);
    } catch {
      return undefined;
    }
  }

  note(pending: number): void {
    if (pending === this.#noted) return;
    try {
      localStorage.setItem(this.name, String(pending));
      this.#noted = pending;
    } catch {
      // Blocked, or full.
    }
  }
}
