/**
 * What went wrong, by a code that programs can rely on: one of the server's
 * (`extensions.code`, such as `CURSOR_TOO_OLD`) or a {@link ClientErrorCode}.
 * `extensions` is what the server sent along: `floor`, `restoredHead`, `serverTime`.
 */
export class SynclineError extends Error {
    code;
    extensions;
    name = 'SynclineError';
    constructor(code, message, extensions = {}, options) {
        super(message, options);
        this.code = code;
        this.extensions = extensions;
    }
}
/** That nobody answers at a URL, and what to do about it. */
export function unreachable(url, cause, extensions = {}) {
    return new SynclineError('UNREACHABLE', `${url.origin} cannot be reached: check the URL, the network and that the server runs; from a page of another origin, that its ALLOWED_ORIGINS names that origin`, extensions, { cause });
}
/**
 * Whether the same may succeed a little later, by itself. `SIGNATURE_EXPIRED`
 * is not among them: the session's clock must be corrected first.
 */
export function mayPass({ code }) {
    return ['UNREACHABLE', 'UNAVAILABLE', 'RATE_LIMITED', 'NONCE_REUSED', 'INTERNAL'].includes(code);
}
/** The first of a response's errors; undefined if there is none. */
export function fromGraphQLErrors(errors) {
    const first = Array.isArray(errors) ? errors[0] : undefined;
    if (typeof first?.message !== 'string')
        return undefined;
    const extensions = first.extensions ?? {};
    const code = typeof extensions['code'] === 'string' ? extensions['code'] : 'PROTOCOL';
    return new SynclineError(code, first.message, extensions);
}
/**
 * What close codes of WebSockets say, for those that say more than that the
 * connection is gone. Waiting helps with all but 4401 and 4406, and with 4403
 * as far as its reason says so: see {@link mayPass}.
 */
const CLOSES = {
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
export function fromCloseEvent(event) {
    const { code, reason } = (event ?? {});
    if (typeof code !== 'number')
        return undefined;
    const message = code === 4499 ? 'the connection fell silent' : `the connection was closed with ${code}${reason ? `: ${reason}` : ''}`;
    let extensions = {};
    try {
        extensions = Object(JSON.parse(String(reason)));
    }
    catch {
        // A reason in words.
    }
    const told = extensions['code'];
    return new SynclineError(typeof told === 'string' ? told : (CLOSES[code] ?? 'UNREACHABLE'), message, extensions, { cause: event });
}
//# sourceMappingURL=errors.js.map