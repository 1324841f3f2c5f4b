import type { Storage } from '@graphiql/toolkit';

import { examples } from './examples.ts';

const TABS = 'graphiql:tabState';
const CERTIFICATE = 'syncline:certificate';

/** The page's small memory. Where the browser blocks it, the page does without. */
function read(name: string): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

/** This tab's own, which a reload keeps and other tabs do not see. */
function readOwn(name: string): string | null {
  try {
    return sessionStorage.getItem(name) ?? localStorage.getItem(name);
  } catch {
    return null;
  }
}

/** Writes for this tab, and for those that are opened later. */
function writeOwn(name: string, value: string): void {
  try {
    sessionStorage.setItem(name, value);
  } catch {
    // As below.
  }
  write(name, value);
}

function write(name: string, value: string): void {
  try {
    if (value === '') localStorage.removeItem(name);
    else localStorage.setItem(name, value);
  } catch {
    // Full or blocked: nothing that matters is lost.
  }
}

/** What `keep` was given last, on this visit or an earlier one; undefined if nothing can be read. */
export function recall(name: string): unknown {
  try {
    return JSON.parse(read(name) ?? '') as unknown;
  } catch {
    return undefined;
  }
}

/** Keeps what can be written as JSON from one visit to the next, where the browser lets it. */
export function keep(name: string, value: unknown): void {
  write(name, JSON.stringify(value));
}

/** The API key's certificate that every request carries; empty if there is none. */
export function readCertificate(): string {
  return read(CERTIFICATE) ?? '';
}

export function writeCertificate(certificate: string): void {
  write(CERTIFICATE, certificate.trim());
}

/**
 * What GraphiQL may remember: its tabs, each of the browser's tabs its own, and the theme. It keeps the text of its
 * editors a second time, a little later than the tabs; told what the active tab
 * has, it takes that tab up again in place of adding one more.
 */
export class GraphiqlMemory implements Storage {
  readonly length = 0;
  #over = false;

  /** `life` counts how often the examples were restored. */
  constructor(readonly life = 0) {}

  /**
   * Forgets the tabs, so that a new GraphiQL begins with the examples. The old
   * one saves late, perhaps after this; nothing is heard of it any more.
   */
  startOver(): GraphiqlMemory {
    this.#over = true;
    writeOwn(TABS, '');
    return new GraphiqlMemory(this.life + 1);
  }

  getItem(name: string): string | null {
    if (name === 'graphiql:query') return activeTab().query;
    if (name === 'graphiql:variables') return activeTab().variables;
    if (name === TABS) return readOwn(name);
    return name === 'graphiql:theme' ? read(name) : null;
  }

  setItem(name: string, value: string): void {
    if (this.#over) return;
    if (name === TABS) writeOwn(name, value);
    if (name === 'graphiql:theme') write(name, value);
  }

  removeItem(name: string): void {
    this.setItem(name, '');
  }

  clear(): void {
    this.setItem(TABS, '');
  }
}

interface Tab {
  query: string | null;
  variables: string | null;
}

function activeTab(): Tab {
  const first = { query: examples[0]!.query, variables: null };
  try {
    const { tabs, activeTabIndex } = JSON.parse(readOwn(TABS) ?? '') as { tabs: Tab[]; activeTabIndex: number };
    return tabs[activeTabIndex] ?? first;
  } catch {
    return first;
  }
}
