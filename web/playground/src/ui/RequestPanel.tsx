import { useState } from 'react';
import { useStore } from 'zustand';

import type { SentRequest } from '../model/request-log.ts';
import { CodeBlock } from './CodeBlock.tsx';
import { useDevice } from './context.ts';
import { CurlCommand } from './CurlCommand.tsx';
import { OperationLink } from './OperationLink.tsx';

/** What the present device sends, taken apart for those who write a client. */
export function RequestPanel() {
  const device = useDevice();
  const requests = useStore(device.requests.state);
  const [key, setKey] = useState(0);
  const request = requests.find((sent) => sent.key === key) ?? requests[0];
  return (
    <>
      <CurlCommand />
      <OperationLink />
      <section aria-labelledby="signed-request">
        <div className="panel-head">
          <h2 id="signed-request">The signed request</h2>
        </div>
        {!request && <p className="empty">Nothing was sent yet. Run an operation.</p>}
        {request && (
          <>
            <label className="field">
              <span>Request of this device</span>
              <select value={request.key === requests[0]?.key ? 0 : request.key} onChange={(event) => setKey(Number(event.target.value))}>
                {requests.map((sent, index) => (
                  <option key={sent.key} value={index === 0 ? 0 : sent.key}>
                    {index === 0 ? 'The last one: ' : ''}
                    {nameOf(sent)}
                  </option>
                ))}
              </select>
            </label>
            {request.kind === 'connection_init' ? <SocketParts request={request} /> : <RequestParts request={request} />}
          </>
        )}
      </section>
    </>
  );
}

function nameOf({ kind, title, status, at }: SentRequest): string {
  return [at.toLocaleTimeString(), kind, title, status].filter(Boolean).join(' · ');
}

function RequestParts({ request }: { request: SentRequest }) {
  return (
    <ol className="parts">
      <li>
        <h3>The body and its digest</h3>
        <p>Content-Digest is the SHA-256 of exactly these bytes, in base64.</p>
        <CodeBlock label="Body" text={request.body} />
        <CodeBlock label="Content-Digest" text={request.digest} />
      </li>
      <li>
        <h3>The base text</h3>
        <p>Lines end with LF, the last one with nothing. SHA-256 of this text is signed by ECDSA over secp256k1.</p>
        <CodeBlock label="Base text" text={request.baseText} />
      </li>
      <li>
        <h3>The headers</h3>
        <p>The signature is 65 bytes, compact and recoverable. The server recovers the public key from it: that is the user.</p>
        <CodeBlock label="Headers" text={asLines(request)} />
      </li>
    </ol>
  );
}

function SocketParts({ request }: { request: SentRequest }) {
  return (
    <ol className="parts">
      <li>
        <h3>The base text</h3>
        <p>Browsers set no headers on a WebSocket, so the upgrade request is signed as a GET with a tag of its own.</p>
        <CodeBlock label="Base text" text={request.baseText} />
      </li>
      <li>
        <h3>The payload of connection_init</h3>
        <p>One signature authenticates the connection; every operation on it is this user’s.</p>
        <CodeBlock label="Payload of connection_init" text={asLines(request)} />
      </li>
    </ol>
  );
}

function asLines({ headers }: SentRequest): string {
  return headers.map(([name, value]) => `${name}: ${value}`).join('\n');
}
