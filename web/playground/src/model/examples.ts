import { encodeText } from '@syncline/client';

import type { Device } from './device.ts';
import type { Payload } from './operation.ts';

type Variables = Payload['variables'];

/** An operation to try. Pressed in their order, all of them succeed. */
export interface Example {
  /** The name of its operation, by which its tab is known. */
  name: string;
  query: string;
  /** Variables for this device, from what it has seen so far. */
  variables(device: Device): Variables;
}

const NOTE = 'note-1';
const LOCKED_NOTE = 'note-2';
const LOCK = 'import';
/** Where Changes begins, so that it shows tombstones, too. */
const FIRST = '1';

const todo = (done: boolean) => encodeText(JSON.stringify({ title: 'Buy milk', done }));

export const examples: readonly Example[] = [
  {
    name: 'Create',
    query: `# Revision 0 creates the record. If it is
# there already, the answer is CONFLICT.
mutation Create($input: SetRecordInput!) {
  setRecord(input: $input) {
    status
    newRevision
    record { id data revision deleted }
  }
}
`,
    variables: ({ clientId }) => ({ input: { id: NOTE, data: todo(false), revision: 0, schemaVersion: '1', clientId } }),
  },
  {
    name: 'Update',
    query: `# The revision is the one that this
# device last saw of the record.
mutation Update($input: SetRecordInput!) {
  setRecord(input: $input) {
    status
    newRevision
    record { id data revision }
  }
}
`,
    variables: ({ seen, clientId }) => ({
      input: { id: NOTE, data: todo(true), revision: seen.revision(NOTE), schemaVersion: '1', clientId },
    }),
  },
  {
    name: 'Conflict',
    query: `# A device that missed the last write names
# an old revision. Nothing is written; the
# answer has the record to merge with.
mutation Conflict($input: SetRecordInput!) {
  setRecord(input: $input) {
    status
    newRevision
    record { id data revision clientId }
  }
}
`,
    variables: ({ seen, clientId }) => ({
      input: { id: NOTE, data: encodeText('too late'), revision: olderThan(seen.revision(NOTE)), schemaVersion: '1', clientId },
    }),
  },
  {
    name: 'Delete',
    query: `# A tombstone stays behind, so that other
# devices hear of it.
mutation Delete($input: DeleteRecordInput!) {
  deleteRecord(input: $input) {
    status
    newRevision
    record { id deleted revision }
  }
}
`,
    variables: ({ seen, clientId }) => ({ input: { id: NOTE, revision: seen.revision(NOTE), clientId } }),
  },
  {
    name: 'Changes',
    query: `# What came after revision 1, tombstones
# too. Apps put the last page's cursor
# here, and go on while hasMore.
query Changes($since: Cursor, $first: Int!) {
  changes(since: $since, first: $first) {
    records { id data revision deleted clientId updatedAt }
    cursor
    hasMore
    head
  }
}
`,
    variables: ({ seen }) => ({ since: seen.revision(NOTE) > 1 ? FIRST : null, first: 100 }),
  },
  {
    name: 'Subscribe',
    query: `# First what was there, then CAUGHT_UP,
# then each change, until you press Stop.
subscription Subscribe($since: Cursor) {
  recordChanged(since: $since) {
    kind
    record { id data revision deleted clientId }
    cursor
  }
}
`,
    variables: () => ({ since: '0' }),
  },
  {
    name: 'Lock',
    query: `# Taken for 60 seconds; again renews it.
# The other device is told HELD. With
# acquire: false it is released.
mutation Lock($input: SetLockInput!) {
  setLock(input: $input) {
    status
    renewed
    token
    expiresAt
    lock { name locked holders { instanceId token expiresAt } }
  }
}
`,
    variables: ({ instanceId }) => ({ input: { name: LOCK, instanceId, acquire: true, exclusive: true, ttlSeconds: 60 } }),
  },
  {
    name: 'Fence',
    query: `# A write under the lock carries its token.
# If the lock was granted anew meanwhile,
# the write is refused with FENCED.
mutation Fence($input: SetRecordInput!) {
  setRecord(input: $input) {
    status
    newRevision
    record { id data revision }
  }
}
`,
    variables: ({ seen, clientId }) => ({
      input: {
        id: LOCKED_NOTE,
        data: encodeText('written under the lock'),
        revision: seen.revision(LOCKED_NOTE),
        schemaVersion: '1',
        clientId,
        fence: { lock: LOCK, token: seen.token(LOCK) },
      },
    }),
  },
];

/** A revision of a record that is not its newest, also of one that was never written. */
function olderThan(revision: number): number {
  return revision > 0 ? revision - 1 : 1;
}

/** The example whose tab has this title. */
export function exampleOf(title: string | undefined): Example | undefined {
  return examples.find(({ name }) => name === title);
}

/**
 * Variables of an example's tab, brought up to date: what the device knows
 * better is put in place of what is there, the rest is left as the user wrote it.
 */
export function refresh(example: Example, device: Device, present: Variables | undefined): Variables {
  const fresh = example.variables(device);
  const input = present?.['input'] as Variables | undefined;
  const freshInput = fresh['input'] as Variables | undefined;
  if (!present || Object.keys(present).length === 0) return fresh;
  if (present['since'] === FIRST && fresh['since'] === null && hasNothing(device)) return { ...present, since: null };
  if (!input || !freshInput) return present;
  const known = Object.fromEntries(KNOWN.filter((name) => name in freshInput).map((name) => [name, freshInput[name]]));
  const sameRecord = input['id'] === freshInput['id'];
  return { ...present, input: { ...input, ...known, ...(!sameRecord && { revision: input['revision'] }) } };
}

/** The user has no record yet: another one's cursor would be an error. */
function hasNothing({ feed, seen }: Device): boolean {
  return feed.state.getState().status === 'live' && seen.isEmpty;
}

/** Members of an input that the playground fills in. */
const KNOWN = ['revision', 'clientId', 'instanceId', 'fence'];
