import { encodeText } from '@syncline/client';
import { useGraphiQL } from '@graphiql/react';
import { useState } from 'react';

import { decode } from '../model/decoded.ts';
import { CodeBlock } from './CodeBlock.tsx';
import { withData } from './with-data.ts';

/** Text or JSON to base64, as `data` wants it, and back. */
export function DataPanel() {
  return (
    <>
      <Encode />
      <Decode />
    </>
  );
}

function Encode() {
  const [text, setText] = useState('{"title": "Buy bread"}');
  const [said, setSaid] = useState('');
  const editor = useGraphiQL((state) => state.variableEditor);
  const data = encodeText(text);
  const use = () => {
    const variables = withData(editor?.getValue() ?? '', data);
    if (variables) editor?.setValue(variables);
    setSaid(variables ? 'Put into the variables.' : 'The open operation has no input.data: open Create or Update first.');
  };
  return (
    <section aria-labelledby="encode">
      <div className="panel-head">
        <h2 id="encode">Encode</h2>
      </div>
      <p className="quiet">Data is bytes to the server. Write text or JSON here and use its base64.</p>
      <label className="field">
        <span>Text or JSON</span>
        <textarea rows={4} spellCheck={false} value={text} onChange={(event) => setText(event.target.value)} />
      </label>
      <CodeBlock label="Base64" text={data} />
      <div className="actions">
        <button type="button" onClick={use}>
          Use as data of the open operation
        </button>
        <output>{said}</output>
      </div>
    </section>
  );
}

function Decode() {
  const [data, setData] = useState('aGVsbG8=');
  return (
    <section aria-labelledby="decode">
      <div className="panel-head">
        <h2 id="decode">Decode</h2>
      </div>
      <label className="field">
        <span>Base64</span>
        <textarea rows={3} spellCheck={false} value={data} onChange={(event) => setData(event.target.value.trim())} />
      </label>
      <Decoding data={data} />
    </section>
  );
}

function Decoding({ data }: { data: string }) {
  try {
    const { format, text, bytes } = decode(data);
    return <CodeBlock label={`${format}, ${bytes} bytes`} text={text} />;
  } catch {
    return (
      <p className="problem-text" role="alert">
        This is not standard base64 with padding, and the server would refuse it: a multiple of four characters of A–Z, a–z, 0–9, + and /, filled up
        with =.
      </p>
    );
  }
}
