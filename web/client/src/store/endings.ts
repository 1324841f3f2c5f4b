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

  /** Resolves when the server has a unit of some database's queue. */
  wait(seq: number | undefined, life: string): Promise<void> {
    return new Promise((resolve, reject) => {
      if (seq === undefined) return resolve();
      const look = async (reader: Reader) => {
        if (reader.meta.life !== life) throw evicted();
        this.#add(seq, [{ resolve, reject }]);
        await this.#look(reader, seq);
      };
      this.ledger.read(look).catch(reject);
    });
  }

  /** The database is not there any more: nobody will know what became of its writes. */
  lost(): void {
    for (const seq of [...this.#waiting.keys()]) this.#end({ seq, error: evicted() });
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

  #add(seq: number, waiters: Waiter[]): void {
    this.#waiting.set(seq, [...(this.#waiting.get(seq) ?? []), ...waiters]);
  }

  #end({ seq, error, by }: Ending): void {
    const waiters = this.#waiting.get(seq) ?? [];
    this.#waiting.delete(seq);
    if (by !== undefined) return this.#add(by, waiters);
    for (const { resolve, reject } of waiters) {
      if (error) reject(new SynclineError(error.code, error.message));
      else resolve();
    }
  }
}

function evicted(): SynclineError {
  return new SynclineError('STORAGE_EVICTED', 'this browser removed the data of this page, with writes that the server may lack');
}
