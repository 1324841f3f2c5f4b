/** What a device knows from answers and events, to fill in the next request. */
export class Seen {
  readonly #revisions = new Map<string, number>();
  readonly #tokens = new Map<string, number>();

  /** `onLock` hears the name of each lock that an answer has. */
  constructor(private readonly onLock: (name: string) => void) {}

  /** No record was seen so far. */
  get isEmpty(): boolean {
    return this.#revisions.size === 0;
  }

  /** The newest revision of a record; 0 if it was never seen. */
  revision(id: string): number {
    return this.#revisions.get(id) ?? 0;
  }

  /** The token of the last grant of a lock to this device; 0 if there was none. */
  token(lock: string): number {
    return this.#tokens.get(lock) ?? 0;
  }

  record({ id, revision }: { id: string; revision: number }): void {
    if (revision > this.revision(id)) this.#revisions.set(id, revision);
  }

  /** Takes what an answer tells: records and granted locks, wherever they are. */
  answer(value: unknown): void {
    if (typeof value !== 'object' || value === null) return;
    const { id, revision, token, lock, lockChanged } = value as Record<string, unknown>;
    if (typeof id === 'string' && typeof revision === 'number') this.record({ id, revision });
    const { name } = Object(lock ?? lockChanged) as { name?: unknown };
    if (typeof name === 'string') this.onLock(name);
    if (typeof token === 'number' && typeof name === 'string') this.#tokens.set(name, token);
    for (const inner of Object.values(value)) this.answer(inner);
  }

  forget(): void {
    this.#revisions.clear();
    this.#tokens.clear();
  }
}
