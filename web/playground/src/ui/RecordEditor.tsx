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

/** One record as it was when it was opened: its text can be changed, against the revision that is shown. */
export function RecordEditor({ id, onBack }: { id: string; onBack: () => void }) {
  const device = useDevice();
  useStore(device.records.version);
  const newest = device.records.history(id)[0]?.revision ?? 0;
  const [record, setRecord] = useState<FeedRecord | null>(null);
  const [text, setText] = useState('');
  const [said, setSaid] = useState('');
  const show = (shown: FeedRecord | null, words: string) => {
    setRecord(shown);
    setText(shown?.data ? (decodeWritten(shown.data) ?? '') : '');
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
  const read = () => attempt(async () => show((await ask<{ record: FeedRecord | null }>(device, READ, { id })).record, ''));
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
  const editable = record !== null && !record.deleted && decodeWritten(record.data ?? '') !== null;
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
      {record && !record.deleted && !editable && <CodeBlock label="Data, which is not text, as base64" text={record.data ?? ''} />}
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
