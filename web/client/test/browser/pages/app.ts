import type { Session } from '@syncline/client';

/** What every client library is asked to do by the tests. */
export interface App {
  session: Session;
  /** Creates or changes a record. */
  write(id: string, text: string, revision?: number): Promise<Written>;
  /** A record's text, the revision too; null if there is none. */
  read(id: string): Promise<string | null>;
  /** Follows the feed, from the beginning, into {@link App.feed}. */
  follow(): void;
  feed: { seen: string[]; caughtUp: number };
  /** All that the library keeps of what it read. */
  cached(): string;
  close(): void;
}

export interface Written {
  status: string;
  /** Of the record as it is now. */
  revision: number;
}

export interface RecordData {
  id: string;
  data: string | null;
  revision: number;
}

export interface Change {
  kind: 'CHANGED' | 'CAUGHT_UP';
  cursor: string;
  record: RecordData | null;
}

export const READ = 'query Read($id: ID!) { record(id: $id) { id data revision } }';
export const WRITE = 'mutation Write($input: SetRecordInput!) { setRecord(input: $input) { status record { id data revision } } }';
export const CHANGES = 'subscription Changes($since: Cursor) { recordChanged(since: $since) { kind cursor record { id data revision } } }';

/** Keeps what a feed brings. */
export function note(feed: App['feed'], change: Change | undefined): void {
  if (change?.record) feed.seen.push(change.record.id);
  else if (change) feed.caughtUp++;
}
