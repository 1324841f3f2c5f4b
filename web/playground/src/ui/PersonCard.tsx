import { Identity } from '@syncline/client';
import { useId, useState } from 'react';
import { useStore } from 'zustand';

import type { Person } from '../model/person.ts';
import { CodeBlock } from './CodeBlock.tsx';
import { usePlayground } from './context.ts';
import { ImportKey } from './ImportKey.tsx';

type Doing = 'nothing' | 'export' | 'import' | 'replace';

/** A user's public key, and what can be done with the private one. */
export function PersonCard({ person }: { person: Person }) {
  const { identity, notKept } = useStore(person.state);
  const [doing, setDoing] = useState<Doing>('nothing');
  const heading = useId();
  const toggle = (next: Doing) => setDoing(doing === next ? 'nothing' : next);
  const become = async (next: Identity) => {
    await person.become(next);
    setDoing('nothing');
  };
  return (
    <section className="card" aria-labelledby={heading} data-person={person.name}>
      <h3 id={heading}>{person.name}</h3>
      <Devices person={person} />
      <CodeBlock label="Public key" text={identity.publicKey} />
      <p className="quiet">{notKept ? 'Not kept: lasts until the page is closed.' : 'Kept in this browser, encrypted where the page is served securely.'}</p>
      <div className="actions" role="group" aria-label={`Key of the ${person.name.toLowerCase()}`}>
        <Toggle text="Export" open={doing === 'export'} onClick={() => toggle('export')} />
        <Toggle text="Import" open={doing === 'import'} onClick={() => toggle('import')} />
        <Toggle text="Make new" open={doing === 'replace'} onClick={() => toggle('replace')} />
      </div>
      {doing === 'export' && (
        <div className="card-part">
          <p className="problem-text">This is the account. Show it to nobody; keep a copy in a safe place.</p>
          <CodeBlock label="Private key" text={identity.exportHex()} />
        </div>
      )}
      {doing === 'import' && <ImportKey onImport={become} />}
      {doing === 'replace' && (
        <div className="card-part">
          <p>The present key is forgotten. Its data is out of reach, unless you exported the key.</p>
          <div className="actions">
            <button type="button" className="danger" onClick={() => void become(Identity.create())}>
              Forget it and make a new one
            </button>
            <button type="button" onClick={() => setDoing('nothing')}>
              Keep it
            </button>
          </div>
        </div>
      )}
    </section>
  );
}

function Toggle({ text, open, onClick }: { text: string; open: boolean; onClick: () => void }) {
  return (
    <button type="button" aria-expanded={open} onClick={onClick}>
      {text}
    </button>
  );
}

function Devices({ person }: { person: Person }) {
  const own = usePlayground().devices.filter((device) => device.person === person);
  return (
    <dl className="pairs">
      {own.map(({ name, clientId, instanceId }) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            client id <code>{clientId}</code>, instance id <code>{instanceId}</code>
          </dd>
        </div>
      ))}
    </dl>
  );
}
