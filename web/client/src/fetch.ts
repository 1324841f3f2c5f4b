import { pause, sleep } from './backoff.js';
import { fromGraphQLErrors, SynclineError, unreachable } from './errors.js';
import { isRepeatable } from './repeatable.js';
import type { Session } from './session.js';
import { authorityOf, contentDigest, sign } from './signing.js';
import type { Moment } from './signing.js';
import { momentOf } from './socket.js';

export interface SignedFetchOptions {
  /** What sends; the platform's `fetch` by default. */
  fetch?: typeof fetch;
  /** How often a request is sent at most; 6 by default, which takes some seconds. */
  attempts?: number;
  /** Hears why a request is about to be sent again. */
  onRetry?: (error: SynclineError) => void;
  /** For tests: the moment to sign at. */
  moment?: () => Moment;
}

/** How long a server may say nothing, before its answer and amid it; a connection that died in silence never goes on. */
const LONGEST_SILENCE = 60_000;

/**
 * A `fetch` that signs each request anew. A clock that is off is corrected by
 * the server's. A request that was not applied, or that may safely be applied
 * twice, is sent again while the server is unavailable or cannot be reached.
 * An answer is there as a whole, but for a stream of events.
 *
 * Beside what the server answers, it throws a {@link SynclineError}:
 * `UNREACHABLE`, `NOT_SYNCLINE`, `IDENTITY_CHANGED`.
 */
export function signedFetch(session: Session, options: SignedFetchOptions = {}): typeof fetch {
  return async (input, init) => {
    const tenure = session.signal; // before anything is awaited: what is sent now is the present identity's
    const request = await read(session, input, init);
    const call = new AbortController();
    const over = new AbortController();
    abortWith([tenure, request.init.signal], call, over.signal);
    let response: Response | undefined;
    try {
      return (response = await persist(session, options, request, call.signal));
    } finally {
      if (!response || isJSON(response)) over.abort(); // a stream of events goes on
    }
  };
}

/** Sends a request until there is no sense in sending it again. */
async function persist(session: Session, options: SignedFetchOptions, request: Prepared, signal: AbortSignal): Promise<Response> {
  const attempts = options.attempts ?? 6;
  for (let failed = 0, corrected = false; ; failed++) {
    const result = await attempt(session, options, request, signal);
    if (!corrected && result.error?.code === 'SIGNATURE_EXPIRED') {
      corrected = session.correctClock(result.error.extensions['serverTime']);
      if (corrected) continue;
    }
    const last = failed + 1 >= attempts || !mayPass(result, request.repeatable);
    if (last && result.response) return result.response;
    if (last) throw result.error!;
    options.onRetry?.(result.error!);
    await sleep(pause(failed, result.error!.extensions['retryAfterMs']), signal);
    corrected = false; // the server may start again meanwhile
  }
}

interface Prepared {
  url: URL;
  init: RequestInit;
  body: Uint8Array<ArrayBuffer> | undefined;
  repeatable: boolean;
}

/** Takes a request apart, so that it can be signed and sent more than once. */
async function read(session: Session, input: RequestInfo | URL, init: RequestInit = {}): Promise<Prepared> {
  const given = input instanceof Request ? new Request(input, init) : undefined;
  const url = new URL(given?.url ?? (input as string | URL), session.url);
  url.hash = '';
  if (url.search === '') url.search = ''; // drops a lone question mark
  const method = (given?.method ?? init.method ?? 'GET').toUpperCase();
  const headers = new Headers(given?.headers ?? init.headers);
  const content = given ?? new Response(init.body);
  const hasBody = method !== 'GET' && method !== 'HEAD';
  const body = hasBody ? new Uint8Array(await content.arrayBuffer()) : undefined;
  const type = content.headers.get('content-type');
  if (type && hasBody && !headers.has('content-type')) headers.set('content-type', type);
  const signal = given?.signal ?? init.signal ?? null;
  const prepared = { ...init, method, headers, body: body ?? null, signal, redirect: 'manual' as const };
  return { url, init: prepared, body, repeatable: isRepeatable(body) };
}

interface Attempt {
  response?: Response;
  /** Absent if all went well. */
  error?: SynclineError | undefined;
}

async function attempt(
  session: Session,
  options: SignedFetchOptions,
  request: Prepared,
  signal: AbortSignal,
): Promise<Attempt> {
  const headers = signedHeaders(session, request, options.moment?.() ?? momentOf(session));
  const send = options.fetch ?? fetch;
  const silence = new AbortController();
  let response: Response;
  try {
    signal.throwIfAborted();
    const init = { ...request.init, headers, signal: AbortSignal.any([signal, silence.signal]) };
    response = await whole(await unlessSilent(send(request.url, init), silence), silence);
  } catch (cause) {
    if (signal.aborted) throw signal.reason;
    return { error: unreachable(request.url, cause) };
  }
  const error = await errorOf(response, request.url);
  return error?.code === 'UNREACHABLE' ? { error } : { response, error };
}

/** What comes of a promise; aborts it if that takes longer than a server may say nothing. */
async function unlessSilent<T>(promise: Promise<T>, silence: AbortController): Promise<T> {
  const timer = setTimeout(() => silence.abort(new Error('silence for a minute')), LONGEST_SILENCE);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}

/** A response with all of its body, if it is an answer in JSON; a stream of events goes on, and pages are not read. */
async function whole(response: Response, silence: AbortController): Promise<Response> {
  if (!response.body || !isJSON(response)) return response;
  const reader = response.body.getReader();
  const parts: BlobPart[] = [];
  for (;;) {
    const { done, value } = await unlessSilent(reader.read(), silence);
    if (done) return new Response(new Blob(parts), response);
    parts.push(value);
  }
}

function typeOf(response: Response): string {
  return response.headers.get('content-type') ?? '';
}

function isJSON(response: Response): boolean {
  return typeOf(response).includes('json');
}

function signedHeaders(session: Session, { url, init, body }: Prepared, moment: Moment): Headers {
  const headers = new Headers(init.headers);
  const digest = body && contentDigest(body);
  const { signatureInput, signature } = sign(
    session.identity,
    {
      method: init.method!,
      authority: authorityOf(url),
      path: url.pathname,
      query: url.search,
      tag: 'syncline',
      ...(digest && { contentDigest: digest }),
    },
    moment,
  );
  if (digest) headers.set('content-digest', digest);
  headers.set('signature-input', signatureInput);
  headers.set('signature', signature);
  if (session.authorization) headers.set('authorization', session.authorization);
  return headers;
}

/** What a response says went wrong with the request as a whole. */
async function errorOf(response: Response, url: URL): Promise<SynclineError | undefined> {
  const type = typeOf(response);
  if (response.ok && /json|event-stream/.test(type)) return undefined;
  if (isJSON(response)) {
    const body = (await response.clone().json().catch(() => undefined)) as { errors?: unknown } | undefined;
    const error = fromGraphQLErrors(body?.errors);
    if (error) return error;
  } else {
    void response.body?.cancel().catch(() => {}); // a page of whoever stands before the server
    if ([429, 502, 503, 504].includes(response.status)) return unreachable(url, new Error(`a gateway answered with ${response.status}`));
  }
  throw new SynclineError(
    'NOT_SYNCLINE',
    `${url.origin}${url.pathname} answered with ${response.status || 'a redirect'} and ${type || 'no content type'}, which Syncline does not: check the URL (it ends in /graphql) and what stands before the server`,
  );
}

/** Whether the same request may succeed a little later, without being applied twice. */
function mayPass({ error }: Attempt, repeatable: boolean): boolean {
  switch (error?.code) {
    case 'RATE_LIMITED':
      return true;
    case 'UNAVAILABLE':
      return repeatable || error.extensions['outcome'] === 'NOT_APPLIED';
    case 'UNREACHABLE':
    case 'NONCE_REUSED': // a browser or proxy sent it twice and lost the first answer
      return repeatable;
    default:
      return false;
  }
}

/**
 * Aborts a call with whichever signal is aborted first, until it is over: what
 * AbortSignal.any makes would pile up on a session's signal in Node.js 20.
 */
function abortWith(signals: (AbortSignal | null | undefined)[], call: AbortController, over: AbortSignal): void {
  for (const signal of signals) {
    if (signal?.aborted) call.abort(signal.reason);
    signal?.addEventListener('abort', () => call.abort(signal.reason), { signal: over });
  }
}
