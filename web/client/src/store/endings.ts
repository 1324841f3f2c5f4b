import { SynclineError } from '../errors.js';
import type { Listener } from './changes.js';
import type { Change, Ledger, Reader } from './ledger.js';
import type { Ending } from './rows.js';

interface Waiter {
  resolve: () => void;
  reject: (error: SynclineError) => void;
}

/** Who waits for what became of a write, whichever tab sends it. */
export class Endings implements Listener {
  readonly #waiting = new Map<number, Waiter[]>();

  constructor(private readonly ledger: Ledger) {}

  /** Resolves when the server has a unit of the queue. */
  async wait(seq: number | undefined): Promise<void> {
    if (seq === undefined) return;
    const ended = new Promise<void>((resolve, reject) => {
      this.#waiting.set(seq, [...(this.#waiting.get(seq) ?? []), { resolve, reject }]);
    });
    ended.catch(() => {}); // told to who waits
    await this.ledger.read((reader) => this.#look(reader, seq));
    return ended;
  }

  change({ ended }: Change): void {
    for (const ending of ended) this.#end(ending);
  }

  async reload(reader: Reader): Promise<void> {
    for (const seq of [...this.#waiting.keys()]) await this.#look(reader, seq);
  }

  async #look(reader: Reader, seq: number): Promise<void> {
    if (await reader.unit(seq)) return;
    const error = await reader.refused(seq);
    const ending = error ? { seq, error } : reader.meta.endings.findLast((each) => each.seq === seq);
    this.#end(ending ?? { seq });
    if (ending?.by !== undefined) await this.#look(reader, ending.by);
  }

  #end({ seq, error, by }: Ending): void {
    const waiters = this.#waiting.get(seq) ?? [];
    this.#waiting.delete(seq);
    if (by !== undefined) {
      if (waiters.length > 0) this.#waiting.set(by, [...(this.#waiting.get(by) ?? []), ...waiters]);
      return;
    }
    for (const { resolve, reject } of waiters) {
      if (error) reject(new SynclineError(error.code, error.message));
      else resolve();
    }
  }
}
