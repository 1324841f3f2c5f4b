import type { FormEvent } from 'react';
import { useState } from 'react';

import { readCertificate, writeCertificate } from '../model/preferences.ts';

/** The API key's certificate, for servers that ask for one. */
export function Certificate() {
  const [text, setText] = useState(readCertificate);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    writeCertificate(text);
    location.reload();
  };
  return (
    <details className="card">
      <summary>API key</summary>
      <form className="card-part" onSubmit={submit}>
        <p className="quiet">Only where the server is run with CA_CERT: the certificate that its operator gave you, as base64 of its DER form.</p>
        <label className="field" htmlFor="certificate">
          Certificate
        </label>
        <textarea id="certificate" rows={3} spellCheck={false} value={text} onChange={(event) => setText(event.target.value)} />
        <div className="actions">
          <button type="submit">Save and reload</button>
        </div>
      </form>
    </details>
  );
}
