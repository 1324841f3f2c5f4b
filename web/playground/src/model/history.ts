import { createStore } from 'zustand/vanilla';

import { keep, recall } from './preferences.ts';

/** An operation that was run, as its editors had it. */
export interface PastOperation {
  query: string;
  variables: string;
  /** When it was run last, in milliseconds by this device's clock. */
  at: number;
}

const PLACE = 'syncline:history';

/** How many are kept, and how many characters they have together: a browser gives a page a few million. */
const MOST_OPERATIONS = 200;
const MOST_CHARACTERS = 500_000;

/** What was run on this page, newest first, each operation once. All of the browser's tabs share it. */
export class History {
  readonly state = createStore<readonly PastOperation[]>(kept);

  constructor() {
    addEventListener('storage', ({ key }) => {
      if (key === PLACE || key === null) this.state.setState(kept(), true);
    });
  }

  /** Notes that an operation is run. One that is longer than all that is kept is not. */
  add(query: string, variables: string): void {
    const others = this.state.getState().filter((other) => other.query !== query || other.variables !== variables);
    let left = MOST_CHARACTERS;
    const all = [{ query, variables, at: Date.now() }, ...others];
    const fits = ({ query, variables }: PastOperation) => query.length + variables.length <= left && ((left -= query.length + variables.length), true);
    this.#set(all.filter(fits).slice(0, MOST_OPERATIONS));
  }

  clear(): void {
    this.#set([]);
  }

  #set(operations: readonly PastOperation[]): void {
    this.state.setState(operations, true);
    keep(PLACE, operations);
  }
}

function kept(): readonly PastOperation[] {
  const operations = recall(PLACE);
  return Array.isArray(operations) ? operations.filter(isPast) : [];
}

function isPast(value: unknown): value is PastOperation {
  const { query, variables, at } = Object(value) as Record<string, unknown>;
  return typeof query === 'string' && typeof variables === 'string' && typeof at === 'number';
}

/** What an operation is called: by its name, or else by how it begins. */
export function titleOf({ query }: PastOperation): string {
  const text = query.replace(/^\s*#.*$/gm, '').trim();
  return /^(?:query|mutation|subscription)\s+(\w+)/m.exec(text)?.[1] ?? (text.replace(/\s+/g, ' ').slice(0, 60) || 'Empty');
}
