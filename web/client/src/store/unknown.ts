import type { Status } from './status.js';

/** What is known of a store that is not there. */
export const UNKNOWN: Status = { connection: 'connecting', pending: { count: 0, bytes: 0 }, refused: 0, uploaded: false, complete: false };
