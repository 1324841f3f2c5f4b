import { useState } from 'react';

import { linkTo } from '../model/link.ts';
import { CodeBlock } from './CodeBlock.tsx';
import { usePlayground } from './context.ts';
import { useOpenOperation } from './useOperation.ts';

/** The open operation as an address to send to somebody. */
export function OperationLink() {
  const { people } = usePlayground();
  const operation = useOpenOperation();
  const [made, setMade] = useState({ link: '', problem: '' });
  const make = () => {
    try {
      setMade({ link: linkTo(document.baseURI, operation(), people.map(({ identity }) => identity)), problem: '' });
    } catch (error) {
      setMade({ link: '', problem: (error as Error).message });
    }
  };
  return (
    <section aria-labelledby="as-link">
      <div className="panel-head">
        <h2 id="as-link">As a link</h2>
        <button type="button" onClick={make}>
          Make the link
        </button>
      </div>
      <p className="quiet">It opens the operation, with its variables as they are now, and runs nothing. It has no key in it: whoever opens it acts as themselves.</p>
      {made.problem && (
        <p className="problem-text" role="alert">
          {made.problem}
        </p>
      )}
      {made.link && <CodeBlock label="Link" text={made.link} />}
    </section>
  );
}
