import { useGraphiQL } from '@graphiql/react';
import { useState } from 'react';

import { curlCommand } from '../model/curl.ts';
import { prepare } from '../model/operation.ts';
import { CodeBlock } from './CodeBlock.tsx';
import { useDevice } from './context.ts';

/** The present operation as a command to paste into a terminal, signed when asked for. */
export function CurlCommand() {
  const device = useDevice();
  const { query, variables, operationName } = useGraphiQL(({ tabs, activeTabIndex }) => ({
    query: tabs[activeTabIndex]?.query ?? '',
    variables: tabs[activeTabIndex]?.variables ?? '',
    operationName: tabs[activeTabIndex]?.operationName ?? null,
  }));
  const [command, setCommand] = useState('');
  const [problem, setProblem] = useState('');
  const make = () => {
    try {
      const parsed = variables.trim() === '' ? {} : (JSON.parse(variables) as Record<string, unknown>);
      setCommand(curlCommand(device.session, prepare(query, parsed, operationName)));
      setProblem('');
    } catch {
      setProblem('The variables are not valid JSON: correct them first.');
    }
  };
  return (
    <section aria-labelledby="as-curl">
      <div className="panel-head">
        <h2 id="as-curl">As a curl command</h2>
        <button type="button" onClick={make}>
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
