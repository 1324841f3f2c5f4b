import { onAbort } from './abort.js';
import { pause, sleep } from './backoff.js';
import type { Bytes } from './bytes.js';
import { fromGraphQLErrors, mayPass, SynclineError, unreachable } from './errors.js';
import type { Identity } from './identity.js';
import { repeatableFor } from './repeatable.js';
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

/** The bytes of a longer answer are not Syncline's. */
const LONGEST_ANSWER = 64 * 1024 * 1024;

/**
 * A `fetch` that signs each request anew. A clock that is off is corrected by
 * the server's. A request that was not applied, or that may safely be applied
 * twice, is sent again while the server is unavailable or cannot be reached.
 * An answer is there as a whole, but for a stream of events.
 *
 * Beside what the server answers, it throws a {@link SynclineError}:
 * `UNREACHABLE`, `NOT_SYNCLINE`, `PROTOCOL`, `CLOCK_WRONG`, `IDENTITY_CHANGED`, and
 * `TOO_OLD_TO_RETRY` for a write that is not sent again, as the server may have
 * forgotten its mutation id: read the record, it shows whether it was applied.
 */
export function signedFetch(session: Session, options: SignedFetchOptions = {}): typeof fetch {
  return async (input, init) => {
    const tenure = session.signal; // before anything is awaited: what is sent now is the present identity's
    const request = await read(session, input, init);
    const call = new AbortController();
    // Not by AbortSignal.any: what it makes would pile up on a session's signal in Node.js 20.
    const bound = [tenure, request.init.signal].map((signal) => {
      if (signal?.aborted) call.abort(signal.reason);
      return onAbort(signal, () => call.abort(signal!.reason));
    });
    const release = () => bound.forEach((forget) => forget());
    let response: Response;
    try {
      response = await persist(session, options, request, call.signal);
    } catch (error) {
      release();
      throw error;
    }
    if (!response.body || isJSON(response)) {
      release();
      return response;
    }
    const { readable, writable } = new TransformStream<Uint8Array>();
    response.body.pipeTo(writable).then(release, release);
    return new Response(readable, response);
  };
}

/** Sends a request until there is no sense in sending it again. */
async function persist(session: Session, options: SignedFetchOptions, request: Prepared, signal: AbortSignal): Promise<Response> {
  const attempts = options.attempts ?? 6;
  let inDoubt: number | undefined; // when the first copy was sent that may have been applied
  for (let failed = 0; ; failed++) {
    const sent = Date.now();
    if (inDoubt !== undefined && sent - inDoubt > request.repeatableFor) throw tooOld(request.url);
    const result = await sendOnce(session, options, request, signal);
    if (result.error && !isHarmless(result.error)) inDoubt ??= sent;
    const last = failed + 1 >= attempts || !mayRepeat(result, request.repeatableFor > 0);
    if (last && result.response) return result.response;
    if (last) throw result.error!;
    options.onRetry?.(result.error!);
    await sleep(pause(failed, result.error!.extensions['retryAfterMs']), signal);
  }
}

interface Outgoing {
  url: URL;
  init: RequestInit;
  body: Bytes | undefined;
  /** Who signs it, each time: whatever happens meanwhile, never another. */
  identity: Identity;
}

interface Prepared extends Outgoing {
  /** For how many milliseconds it may be sent again after it may have been applied. */
  repeatableFor: number;
}

/** Takes a request apart, so that it can be signed and sent more than once. */
async function read(session: Session, input: RequestInfo | URL, init: RequestInit = {}): Promise<Prepared> {
  const { identity } = session;
  const given = input instanceof Request ? new Request(input, init) : undefined;
  const url = targetOf(new URL(given?.url ?? (input as string | URL), session.url));
  const method = (given?.method ?? init.method ?? 'GET').toUpperCase();
  const headers = new Headers(given?.headers ?? init.headers);
  const content = given ?? new Response(init.body);
  const hasBody = method !== 'GET' && method !== 'HEAD';
  const body = hasBody ? new Uint8Array(await content.arrayBuffer()) : undefined;
  const type = content.headers.get('content-type');
  if (type && hasBody && !headers.has('content-type')) headers.set('content-type', type);
  const signal = given?.signal ?? init.signal;
  const prepared = { ...init, method, headers, body, signal, redirect: 'manual' as const };
  return { url, init: prepared, body, identity, repeatableFor: repeatableFor(body) };
}

/** A URL as it is sent and signed. */
export function targetOf(url: URL): URL {
  const target = new URL(url);
  target.hash = '';
  if (target.search === '') target.search = ''; // drops a lone question mark
  return target;
}

interface Attempt {
  response?: Response;
  /** Absent if all went well. */
  error?: SynclineError | undefined;
}

/** Sends a request, and once more if the answer set the clock right. */
export async function sendOnce(session: Session, options: SignedFetchOptions, request: Outgoing, signal: AbortSignal): Promise<Attempt> {
  const result = await attempt(session, options, request, signal);
  const { code, extensions } = result.error ?? {};
  return code === 'SIGNATURE_EXPIRED' && session.correctClock(extensions?.['serverTime']) ? attempt(session, options, request, signal) : result;
}

async function attempt(session: Session, options: SignedFetchOptions, request: Outgoing, signal: AbortSignal): Promise<Attempt> {
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
    if (cause instanceof SynclineError) throw cause;
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
  for (let length = 0; length <= LONGEST_ANSWER; ) {
    const { done, value } = await unlessSilent(reader.read(), silence);
    if (done) return new Response(new Blob(parts), response);
    length += value.length;
    parts.push(value);
  }
  void reader.cancel().catch(() => {});
  throw new SynclineError('PROTOCOL', 'the answer is longer than 64 MiB');
}

function typeOf(response: Response): string {
  return response.headers.get('content-type') ?? '';
}

function isJSON(response: Response): boolean {
  return typeOf(response).includes('json');
}

function signedHeaders(session: Session, { url, init, body, identity }: Outgoing, moment: Moment): Headers {
  const headers = new Headers(init.headers);
  const digest = body && contentDigest(body);
  const { signatureInput, signature } = sign(
    identity,
    {
      method: init.method!,
      authority: authorityOf(url),
      path: url.pathname,
      query: url.search,
      tag: 'syncline',
      contentDigest: digest,
    },
    moment,
  );
  if (digest) headers.set('content-digest', digest);
  headers.set('signature-input', signatureInput);
  headers.set('signature', signature);
  if (session.authorization && url.origin === session.url.origin) headers.set('authorization', session.authorization);
  return headers;
}

/** What a response says went wrong with the request as a whole. */
async function errorOf(response: Response, url: URL): Promise<SynclineError | undefined> {
  const type = typeOf(response);
  if (response.ok && /json|event-stream/.test(type)) return undefined;
  let error: SynclineError | undefined;
  if (isJSON(response)) {
    const body = (await response.clone().json().catch(() => undefined)) as { errors?: unknown } | undefined;
    error = fromGraphQLErrors(body?.errors);
  } else void response.body?.cancel().catch(() => {}); // a page of whoever stands before the server
  // With these a gateway says that the server is away, in a body of any kind.
  if ((response.status >= 500 || [408, 425, 429].includes(response.status)) && !(error && mayPass(error))) {
    const retryAfterMs = Number(response.headers.get('retry-after')) * 1000;
    return unreachable(url, new Error(`a gateway answered with ${response.status}`), { retryAfterMs });
  }
  if (error) return error;
  throw new SynclineError(
    'NOT_SYNCLINE',
    `${url.origin}${url.pathname} answered with ${response.status || 'a redirect'} and ${type || 'no content type'}, which Syncline does not: check the URL (it ends in /graphql) and what stands before the server`,
  );
}

/** Whether the same request may succeed a little later, without being applied twice. */
function mayRepeat({ error }: Attempt, repeatable: boolean): boolean {
  return !!error && mayPass(error) && (repeatable || isHarmless(error));
}

/** Whether a request that failed was certainly not applied. */
function isHarmless(error: SynclineError): boolean {
  return error.code === 'RATE_LIMITED' || error.extensions['outcome'] === 'NOT_APPLIED';
}

function tooOld(url: URL): SynclineError {
  return new SynclineError(
    'TOO_OLD_TO_RETRY',
    `a write to ${url.origin} was first sent a day ago, and may have been applied: read the record, and write again under a new mutation id if it does not show it`,
  );
}
