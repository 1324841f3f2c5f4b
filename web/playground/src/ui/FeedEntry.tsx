import type { FeedRecord } from '@syncline/client';
import { memo, useState } from 'react';

import { decode, preview, PREVIEW_BYTES } from '../model/decoded.ts';
import type { FeedItem } from '../model/feed.ts';

/** An event: a record with its data decoded beside its base64, or the moment the feed became live. */
export const FeedEntry = memo(function FeedEntry({ item, ownClientId }: { item: FeedItem; ownClientId: string }) {
  if (item.kind === 'caught-up') {
    return (
      <li className="feed-caught-up">
        <span>CAUGHT_UP · live from here</span>
      </li>
    );
  }
  const { record, live } = item;
  return (
    <li className="feed-entry" data-live={live}>
      <div className="feed-entry-head">
        <strong>{record.id}</strong>
        <span className="badge">revision {record.revision}</span>
        {record.deleted && <span className="badge warn">deleted</span>}
        <time dateTime={record.updatedAt} title={record.updatedAt}>
          {new Date(record.updatedAt).toLocaleTimeString()}
        </time>
      </div>
      <dl className="feed-data">
        {record.clientId && <Row term="by" text={record.clientId === ownClientId ? `${record.clientId}, this device` : record.clientId} />}
        <Data record={record} />
      </dl>
    </li>
  );
});

function Data({ record: { data } }: { record: FeedRecord }) {
  const [whole, setWhole] = useState(false);
  if (data === null) return <Row term="data" text="none: this is a tombstone" />;
  const { format, text, bytes, cut } = whole ? decode(data) : preview(data);
  return (
    <>
      {text !== '' && <Row term={format} text={cut ? `${text}…` : text} code />}
      <Row term="base64" text={cut ? `${data.slice(0, PREVIEW_BYTES)}…` : data || `${bytes} bytes`} code />
      {(cut || whole) && (
        <>
          <dt />
          <dd>
            <button type="button" onClick={() => setWhole(!whole)}>
              {whole ? 'Show less' : `Show all ${bytes} bytes`}
            </button>
          </dd>
        </>
      )}
    </>
  );
}

function Row({ term, text, code = false }: { term: string; text: string; code?: boolean }) {
  return (
    <>
      <dt>{term}</dt>
      <dd>{code ? <pre>{text}</pre> : text}</dd>
    </>
  );
}
