import type { Session } from '@syncline/client';
import { useState } from 'react';

import { curlCommand } from '../model/curl.ts';
import { isLone, prepare } from '../model/operation.ts';
import { CodeBlock } from './CodeBlock.tsx';
import { useDevice } from './context.ts';
import { useOpenOperation } from './useOperation.ts';
import type { OperationText } from './useOperation.ts';

/** The present operation as a command to paste into a terminal, signed when asked for. */
export function CurlCommand() {
  const device = useDevice();
  const open = useOpenOperation();
  const subjectOf = (operation: OperationText) => JSON.stringify([device.name, device.session.identity.publicKey, operation]);
  const [made, setMade] = useState({ subject: '', command: '', problem: '' });
  const { command, problem } = made.subject === subjectOf(open()) ? made : { command: '', problem: '' };
  const sign = () => {
    const operation = open();
    setMade({ subject: subjectOf(operation), ...make(device.session, operation) });
  };
  return (
    <section aria-labelledby="as-curl">
      <div className="panel-head">
        <h2 id="as-curl">As a curl command</h2>
        <button type="button" onClick={sign}>
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

function make(session: Session, { query, variables, selected }: OperationText): { command: string; problem: string } {
  try {
    return { command: curlCommand(session, prepare(query, variables.trim() || '{}', isLone(query) ? null : selected)), problem: '' };
  } catch {
    return { command: '', problem: 'The variables are not valid JSON: correct them first.' };
  }
}
