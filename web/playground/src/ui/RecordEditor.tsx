import { encodeText, newNonce } from '@syncline/client';
import type { FeedRecord } from '@syncline/client';
import { useEffect, useState } from 'react';
import { useStore } from 'zustand';

import { ask } from '../model/ask.ts';
import { decodeWritten } from '../model/decoded.ts';
import { asSynclineError } from '../model/errors.ts';
import { CodeBlock } from './CodeBlock.tsx';
import { useDevice } from './context.ts';

const FIELDS = '{ id data revision schemaVersion deleted clientId updatedAt }';
const READ = `query ReadRecord($id: ID!) { record(id: $id) ${FIELDS} }`;
const SAVE = `mutation SaveRecord($input: SetRecordInput!) { write: setRecord(input: $input) { status record ${FIELDS} } }`;
const DELETE = `mutation RemoveRecord($input: DeleteRecordInput!) { write: deleteRecord(input: $input) { status record ${FIELDS} } }`;

interface Written {
  write: { status: string; record: FeedRecord | null };
}

/** The text of a record that can be changed as text: a text field would change other line ends than these. */
function editableText(record: FeedRecord | null): string | null {
  const text = record?.deleted ? null : decodeWritten(record?.data ?? '');
  return text?.includes('\r') ? null : text;
}

/** One record as it was when it was read: its text can be changed, against the revision that is shown. */
export function RecordEditor({ id, onBack }: { id: string; onBack: () => void }) {
  const device = useDevice();
  useStore(device.records.version);
  const newest = device.records.history(id)[0]?.revision ?? 0;
  const [record, setRecord] = useState<FeedRecord | null>(null);
  const [text, setText] = useState('');
  const [said, setSaid] = useState('');
  /** The text is the user's still, beside a record that was read after it was written. */
  const [kept, setKept] = useState(false);
  const show = (shown: FeedRecord | null, words: string) => {
    setRecord(shown);
    setText(editableText(shown) ?? '');
    setKept(false);
    setSaid(words);
  };
  const attempt = async (work: () => Promise<void>) => {
    try {
      await work();
    } catch (error) {
      const { code, message } = asSynclineError(error);
      setSaid(`${message} (${code})`);
    }
  };
  const changed = kept || (record !== null && text !== (editableText(record) ?? ''));
  const read = () =>
    attempt(async () => {
      const { record: newest } = await ask<{ record: FeedRecord | null }>(device, READ, { id });
      if (!changed || !newest) return show(newest, '');
      setRecord(newest);
      setKept(true);
      setSaid('Your text is still here, with theirs below: Save puts yours in its place.');
    });
  useEffect(() => void read(), [device, id]);
  const write = (query: string, input: Record<string, unknown>, done: string) =>
    attempt(async () => {
      const { clientId } = device;
      const common = { id, revision: record?.revision ?? 0, clientId, mutationId: newNonce() };
      const { write: answer } = await ask<Written>(device, query, { input: { ...common, ...input } });
      if (answer.record) device.seen.record(answer.record);
      if (answer.status === 'SUCCESS') show(answer.record, done);
      else setSaid('CONFLICT: another device changed it meanwhile. Your text is still here; read it again to see theirs.');
    });
  const editable = record !== null && (kept || editableText(record) !== null);
  return (
    <>
      <div className="panel-head">
        <h2>{id}</h2>
        <button type="button" onClick={onBack}>
          All records
        </button>
      </div>
      {record && (
        <p className="status">
          <span className="badge">revision {record.revision}</span>
          {record.deleted && <span className="badge warn">deleted</span>}
          {newest > record.revision && <span className="badge warn">revision {newest} is there</span>}
        </p>
      )}
      {editable && (
        <label className="field">
          <span>Data as text</span>
          <textarea rows={10} spellCheck={false} value={text} onChange={(event) => setText(event.target.value)} />
        </label>
      )}
      {record && !record.deleted && kept && <CodeBlock label="Theirs" text={decodeWritten(record.data ?? '') ?? record.data ?? ''} />}
      {record && !record.deleted && !editable && (
        <CodeBlock label="Data as base64: it is not text, or has line ends that a text field would change" text={record.data ?? ''} />
      )}
      <div className="actions">
        {editable && (
          <button
            type="button"
            className="primary"
            onClick={() => void write(SAVE, { data: encodeText(text), schemaVersion: record.schemaVersion }, 'Saved.')}
          >
            Save
          </button>
        )}
        {record && !record.deleted && (
          <button type="button" className="danger" onClick={() => void write(DELETE, {}, 'Deleted: a tombstone is left.')}>
            Delete
          </button>
        )}
        <button type="button" onClick={() => void read()}>
          Read again
        </button>
        {kept && (
          <button type="button" onClick={() => show(record, '')}>
            Discard my text
          </button>
        )}
        <output>{said}</output>
      </div>
      <section aria-labelledby="history">
        <h3 id="history">What this page saw of it</h3>
        <ol className="history">
          {device.records.history(id).map(({ revision, deleted, clientId, updatedAt }) => (
            <li key={revision}>
              revision {revision}
              {deleted && ', deleted'}
              {clientId && `, by ${clientId}`}, {new Date(updatedAt).toLocaleString()}
            </li>
          ))}
        </ol>
      </section>
    </>
  );
}
