/** The codes that this package adds to those of the server. */
export type ClientErrorCode =
  | 'KEY_INVALID'
  | 'STORAGE_BLOCKED'
  | 'STORAGE_FULL'
  | 'STORAGE_CORRUPT'
  | 'STORAGE_OUTDATED'
  | 'STORAGE_EVICTED'
  | 'IDENTITY_CHANGED'
  | 'CLOCK_WRONG'
  | 'LOCK_LOST'
  | 'TOO_OLD_TO_RETRY'
  | 'UNREACHABLE'
  | 'NOT_SYNCLINE'
  | 'NOT_ENCRYPTED'
  | 'ENCRYPTION_VERSION'
  | 'WRONG_KEY'
  | 'TRUNCATED'
  | 'DAMAGED'
  | 'SWAPPED'
  | 'ROLLED_BACK'
  | 'TOO_LARGE'
  | 'OTHER_OWNER'
  | 'OTHER_ENCRYPTION'
  | 'FORMAT_NEWER'
  | 'WRITES_WAIT'
  | 'PROTOCOL';

/**
 * What went wrong, by a code that programs can rely on: one of the server's
 * (`extensions.code`, such as `CURSOR_TOO_OLD`) or a {@link ClientErrorCode}.
 * `extensions` is what the server sent along: `floor`, `erased`, `restoredHead`, `serverTime`.
 */
export class SynclineError extends Error {
  override readonly name = 'SynclineError';

  constructor(
    readonly code: ClientErrorCode | (string & {}),
    message: string,
    readonly extensions: Readonly<Record<string, unknown>> = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** That nobody answers at a URL, and what to do about it. */
export function unreachable(url: URL, cause: unknown, extensions: Record<string, unknown> = {}): SynclineError {
  return new SynclineError(
    'UNREACHABLE',
    `${url.origin} cannot be reached: check the URL, the network and that the server runs; from a page of another origin, that its ALLOWED_ORIGINS names that origin`,
    extensions,
    { cause },
  );
}

/**
 * Whether the same may succeed a little later, by itself. `SIGNATURE_EXPIRED`
 * is not among them: the session's clock must be corrected first.
 */
export function mayPass({ code }: SynclineError): boolean {
  return ['UNREACHABLE', 'UNAVAILABLE', 'RATE_LIMITED', 'NONCE_REUSED', 'INTERNAL'].includes(code);
}

interface GraphQLErrorLike {
  message: string;
  extensions?: Record<string, unknown> | null;
}

/** The first of a response's errors; undefined if there is none. */
export function fromGraphQLErrors(errors: unknown): SynclineError | undefined {
  const first = Array.isArray(errors) ? (errors[0] as GraphQLErrorLike | undefined) : undefined;
  if (typeof first?.message !== 'string') return undefined;
  const extensions = first.extensions ?? {};
  const code = typeof extensions['code'] === 'string' ? extensions['code'] : 'PROTOCOL';
  return new SynclineError(code, first.message, extensions);
}

/**
 * What close codes of WebSockets say, for those that say more than that the
 * connection is gone. Waiting helps with all but 4401 and 4406, and with 4403
 * as far as its reason says so: see {@link mayPass}.
 */
const CLOSES: Readonly<Record<number, string>> = {
  1013: 'UNAVAILABLE',
  4401: 'UNAUTHENTICATED',
  4406: 'NOT_SYNCLINE',
  4429: 'RATE_LIMITED',
};

/**
 * Why a WebSocket was closed; undefined for what is no close event. Syncline's
 * reason is a small JSON object with the error's code, and, for a wrong clock,
 * the server's time.
 */
export function fromCloseEvent(event: unknown): SynclineError | undefined {
  const { code, reason } = (event ?? {}) as { code?: unknown; reason?: unknown };
  if (typeof code !== 'number') return undefined;
  const message = code === 4499 ? 'the connection fell silent' : `the connection was closed with ${code}${reason ? `: ${reason}` : ''}`;
  let extensions: Record<string, unknown> = {};
  try {
    extensions = Object(JSON.parse(String(reason)));
  } catch {
    // A reason in words.
  }
  const told = extensions['code'];
  return new SynclineError(typeof told === 'string' ? told : (CLOSES[code] ?? 'UNREACHABLE'), message, extensions, { cause: event });
}
