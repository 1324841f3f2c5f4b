import { Identity } from '@syncline/client';
import type { FormEvent } from 'react';
import { useId, useState } from 'react';

import { asSynclineError } from '../model/errors.ts';

/** Takes a private key as it was exported. */
export function ImportKey({ onImport }: { onImport: (identity: Identity) => Promise<void> }) {
  const [text, setText] = useState('');
  const [problem, setProblem] = useState('');
  const field = useId();
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    try {
      await onImport(Identity.fromHex(text));
    } catch (error) {
      setProblem(explain(text, asSynclineError(error).message));
    }
  };
  return (
    <form className="card-part" onSubmit={(event) => void submit(event)}>
      <label className="field" htmlFor={field}>
        Private key, 64 hexadecimal characters
      </label>
      <input
        id={field}
        type="text"
        autoComplete="off"
        spellCheck={false}
        value={text}
        onChange={(event) => setText(event.target.value)}
        aria-invalid={problem !== ''}
        aria-describedby={problem ? `${field}-problem` : undefined}
      />
      {problem && (
        <p className="problem-text" id={`${field}-problem`} role="alert">
          {problem}
        </p>
      )}
      <p>The present key is forgotten. Its data is out of reach, unless you exported the key.</p>
      <div className="actions">
        <button type="submit" className="danger">
          Forget it and become this user
        </button>
      </div>
    </form>
  );
}

/** A key is easily mistaken for its public half. */
function explain(text: string, message: string): string {
  if (!/^0[23][0-9a-f]{64}$/i.test(text.trim())) return `That did not work: ${message}`;
  return 'This is a public key, which tells who somebody is. To become that user, paste the private key: 64 characters, from Export or from syncctl.';
}
