import { useGraphiQL } from '@graphiql/react';
import type { Session } from '@syncline/client';
import { useState } from 'react';

import { curlCommand } from '../model/curl.ts';
import { prepare } from '../model/operation.ts';
import { CodeBlock } from './CodeBlock.tsx';
import { useDevice } from './context.ts';

/** The present operation as a command to paste into a terminal, signed when asked for. */
export function CurlCommand() {
  const device = useDevice();
  const open = useGraphiQL(({ tabs, activeTabIndex }) => ({
    query: tabs[activeTabIndex]?.query ?? '',
    variables: tabs[activeTabIndex]?.variables ?? '',
    operationName: tabs[activeTabIndex]?.operationName ?? null,
  }));
  const subject = JSON.stringify([device.name, device.session.identity.publicKey, open]);
  const [made, setMade] = useState({ subject: '', command: '', problem: '' });
  const { command, problem } = made.subject === subject ? made : { command: '', problem: '' };
  return (
    <section aria-labelledby="as-curl">
      <div className="panel-head">
        <h2 id="as-curl">As a curl command</h2>
        <button type="button" onClick={() => setMade({ subject, ...make(device.session, open) })}>
          {command ? 'Sign anew' : 'Sign'}
        </button>
      </div>
      <p className="quiet">The open operation, signed by this user. The server takes a signature once, and for 300 seconds.</p>
      {problem && (
        <p className="problem-text" role="alert">
          {problem}
        </p>
      )}
      {command && <CodeBlock label="curl command" text={command} />}
    </section>
  );
}

interface OpenOperation {
  query: string;
  variables: string;
  operationName: string | null;
}

function make(session: Session, { query, variables, operationName }: OpenOperation): { command: string; problem: string } {
  try {
    const parsed = variables.trim() === '' ? {} : (JSON.parse(variables) as Record<string, unknown>);
    return { command: curlCommand(session, prepare(query, parsed, operationName)), problem: '' };
  } catch {
    return { command: '', problem: 'The variables are not valid JSON: correct them first.' };
  }
}
