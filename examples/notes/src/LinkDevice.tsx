import type { Identity } from '@syncline/client';
import { useEffect, useRef, useState } from 'react';
import type { ReactNode } from 'react';
import { encode } from 'uqr';

import { identity, linkHere, linkToHere, offered } from './device.ts';

/** Shows how to make another device one of this user's. */
export function LinkDevice() {
  const [link, setLink] = useState<string>();
  const [copied, setCopied] = useState(false);
  const copy = () => navigator.clipboard.writeText(link!).then(() => setCopied(true), () => setCopied(false));
  const close = () => {
    setLink(undefined);
    setCopied(false);
  };
  return (
    <>
      <button onClick={async () => setLink(await linkToHere())}>Link a device</button>
      {link && (
        <Dialog title="Link a device" onClose={close}>
          <p>Scan this with the other device’s camera, or open the link there.</p>
          <QRCode text={link} />
          <div className="bar">
            <input aria-label="Link" readOnly value={link} onFocus={({ target }) => target.select()} />
            {navigator.clipboard && <button onClick={copy}>{copied ? 'Copied' : 'Copy'}</button>}
          </div>
          <p><strong>Anybody who has it can read and change all your notes.</strong> The key is behind the #, a part that browsers do not send to servers.</p>
          {['localhost', '127.0.0.1', '[::1]'].includes(location.hostname) && (
            <p className="quiet">This page’s address works on this computer only. For a phone, start with <code>npm start -- --host</code>.</p>
          )}
          <button onClick={close}>Done</button>
        </Dialog>
      )}
    </>
  );
}

/** What a link of another device asks for, where this page was opened with one. */
export function OfferedLink() {
  const [done, setDone] = useState(false);
  if (!offered || done) return null;
  const close = () => setDone(true);
  if (!(offered instanceof Error)) return <Offer user={offered} onClose={close} />;
  return <Said title="This link is damaged" text="Scan or copy it again." onClose={close} />;
}

/** Asks the person who opened such a link. Nothing happens without their word: somebody else may have sent it. */
function Offer({ user, onClose }: { user: Identity; onClose: () => void }) {
  const [linked, setLinked] = useState<boolean>(); // undefined: not known yet
  const [problem, setProblem] = useState<Error>();
  useEffect(() => void identity.then(({ publicKey }) => setLinked(publicKey === user.publicKey), () => setLinked(false)), [user]);
  if (linked === undefined) return null;
  if (linked) return <Said title="This device is linked" text="It has the notes of that device already." onClose={onClose} />;
  return (
    <Dialog title="Link this device?" onClose={onClose}>
      <p>It will have the notes of the device that showed the link. Notes that are here now are added to them.</p>
      <p><strong>Only do this if the other device is yours:</strong> the person who sent you the link can read all that you write from then on.</p>
      {problem && <p role="alert">That did not work: {problem.message}</p>}
      <div className="bar">
        <button className="primary" onClick={() => linkHere(user).catch(setProblem)}>Link this device</button>
        <button onClick={onClose}>Not now</button>
      </div>
    </Dialog>
  );
}

function Said({ title, text, onClose }: { title: string; text: string; onClose: () => void }) {
  return (
    <Dialog title={title} onClose={onClose}>
      <p>{text}</p>
      <button onClick={onClose}>Close</button>
    </Dialog>
  );
}

function Dialog({ title, onClose, children }: { title: string; onClose: () => void; children: ReactNode }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} aria-label={title} onClose={onClose}>
      <h2>{title}</h2>
      {children}
    </dialog>
  );
}

/** Dark on white in either scheme, as cameras expect it. */
function QRCode({ text }: { text: string }) {
  const { data, size } = encode(text, { ecc: 'M', border: 3 });
  const path = data.flatMap((row, y) => row.flatMap((dark, x) => (dark ? [`M${x} ${y}h1v1h-1z`] : []))).join('');
  return (
    <svg className="qr" role="img" aria-label="The link as a QR code" viewBox={`0 0 ${size} ${size}`} shapeRendering="crispEdges">
      <path d={`M0 0h${size}v${size}h-${size}z`} fill="#fff" />
      <path d={path} fill="#000" />
    </svg>
  );
}
