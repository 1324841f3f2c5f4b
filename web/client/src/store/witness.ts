import { mark, markOf } from '../marks.js';

/** Knows how many writes waited when a store's database was seen last, also if the browser removes the database. */
export class Witness {
  #noted: number | undefined;

  constructor(private readonly name: string) {
    this.#noted = this.pending;
  }

  /** Undefined if it was never seen. */
  get pending(): number | undefined {
    const text = markOf(this.name);
    return text === null ? undefined : Number(text);
  }

  note(pending: number): void {
    if (pending !== this.#noted && mark(this.name, String(pending))) this.#noted = pending;
  }
}
