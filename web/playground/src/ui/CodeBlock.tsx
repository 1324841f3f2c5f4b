import { CopyButton } from './CopyButton.tsx';

/** Text to read and to take along. */
export function CodeBlock({ label, text }: { label: string; text: string }) {
  return (
    <figure className="code">
      <figcaption>
        {label}
        <CopyButton text={text} label={`Copy ${label}`} />
      </figcaption>
      <pre tabIndex={0} role="group" aria-label={label}>
        {text.split('\n').map((line, index) => (
          <span key={index} className="line">
            {line || ' '}
          </span>
        ))}
      </pre>
    </figure>
  );
}
