/** The codes that this package adds to those of the server. */
export type ClientErrorCode =
  | 'KEY_INVALID'
  | 'STORAGE_BLOCKED'
  | 'STORAGE_FULL'
  | 'STORAGE_CORRUPT'
  | 'IDENTITY_CHANGED'
  | 'CLOCK_WRONG'
  | 'UNREACHABLE'
  | 'NOT_SYNCLINE'
  | 'PROTOCOL';

/**
 * What went wrong, by a code that programs can rely on: one of the server's
 * (`extensions.code`, such as `CURSOR_TOO_OLD`) or a {@link ClientErrorCode}.
 * `extensions` is what the server sent along: `floor`, `restoredHead`, `serverTime`.
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

interface CloseEventLike {
  code: number;
  reason: string;
}

/**
 * Why a WebSocket was closed, if that is known: 4403 carries a small JSON
 * object with the code and, for a wrong clock, the server's time. 1002 and 1011
 * say that the server or something on the way failed, which may pass; the
 * package graphql-ws would take them for final.
 */
export function fromCloseEvent(event: unknown): SynclineError | undefined {
  const { code, reason } = (event ?? {}) as Partial<CloseEventLike>;
  if (code === 1002 || code === 1011) return new SynclineError('UNREACHABLE', `the connection was closed with ${code}`);
  if (code !== 4403 || typeof reason !== 'string') return undefined;
  try {
    const extensions = JSON.parse(reason) as Record<string, unknown>;
    if (typeof extensions['code'] !== 'string') return undefined;
    return new SynclineError(extensions['code'], `the server refused the connection: ${extensions['code']}`, extensions);
  } catch {
    return undefined;
  }
}
