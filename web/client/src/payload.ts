import { SynclineError } from './errors.js';

/** What the server takes in one message (`maxRequestBytes` of `limits`). */
const LONGEST_MESSAGE = 1 << 20;
/** What a message has beside its payload: type, id, punctuation. */
const ENVELOPE = 100;

/**
 * Why an operation cannot be sent over a WebSocket, if it cannot: a server or
 * something on the way would close the connection over it, with all that runs
 * there. Undefined if all is well.
 */
export function refusalOf(payload: unknown): SynclineError | undefined {
  const refuse = (message: string, field?: string) => new SynclineError('BAD_USER_INPUT', message, field === undefined ? {} : { field });
  const half = halfCharacter(payload, '');
  if (half !== undefined) return refuse(`${half}: half of a character, a surrogate without its other half`, half.replace('variables.', ''));
  try {
    const text = JSON.stringify(payload);
    const { length } = new TextEncoder().encode(text);
    return length + ENVELOPE > LONGEST_MESSAGE ? refuse(`the operation has ${length} bytes, and a message at most 1 MiB: write in smaller batches`) : undefined;
  } catch (cause) {
    return refuse(`the operation cannot be written as JSON: ${(cause as Error).message}`);
  }
}

const HALF = /\p{Surrogate}/u;

/** Where a surrogate stands alone, in a text or a name, as a dotted path. */
function halfCharacter(value: unknown, path: string): string | undefined {
  if (typeof value === 'string') return HALF.test(value) ? path : undefined;
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [name, inner] of Object.entries(value)) {
    const at = path === '' ? name : `${path}.${name}`;
    const found = HALF.test(name) ? at : halfCharacter(inner, at);
    if (found !== undefined) return found;
  }
  return undefined;
}
