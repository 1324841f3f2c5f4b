/** A record as the feed brings it. */
export interface FeedRecord {
  id: string;
  /** Base64; null in a tombstone. */
  data: string | null;
  revision: number;
  schemaVersion: string;
  deleted: boolean;
  clientId: string | null;
  updatedAt: string;
}

/** An event of the feed. */
export type RecordChange =
  | { kind: 'CHANGED'; record: FeedRecord; cursor: string }
  | { kind: 'CAUGHT_UP'; record: null; cursor: string };

/** What of a subscription client {@link follow} needs; graphql-ws and graphql-sse have it. */
export interface Subscriber {
  subscribe(
    payload: { query: string; variables?: Record<string, unknown> },
    sink: {
      next(result: { data?: unknown; errors?: unknown }): void;
      error(error: unknown): void;
      complete(): void;
    },
  ): () => void;
}
