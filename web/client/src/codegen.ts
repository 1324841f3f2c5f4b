/**
 * What the scalars of Syncline are in TypeScript, for the `scalars` option of
 * GraphQL Code Generator.
 */
export const scalars = {
  Bytes: 'string',
  Revision: 'number',
  FenceToken: 'number',
  ByteCount: 'number',
  Cursor: 'string',
  DateTime: 'string',
} as const;

/** The same as a type, for gql.tada. */
export interface Scalars {
  Bytes: string;
  Revision: number;
  FenceToken: number;
  ByteCount: number;
  Cursor: string;
  DateTime: string;
}
