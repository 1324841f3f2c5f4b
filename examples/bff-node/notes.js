/** What a record may hold. */
const MAX_NOTE = 64 * 1024;

class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/**
 * The REST service over a store, as a listener of `node:http`: each note is a
 * resource, whose ETag is the record's revision.
 *
 * @param {import('./store.js').Store} store
 * @returns {import('node:http').RequestListener}
 */
export function notes(store) {
  return (request, response) => {
    serve(store, request, response).catch((error) => fail(response, error));
  };
}

async function serve(store, request, response) {
  const id = noteId(request.url);
  if (request.method === 'GET') {
    const note = await store.get(id);
    if (!note) throw new Refusal(404, 'no such note');
    return answer(response, 200, note);
  }
  if (request.method !== 'PUT') throw new Refusal(405, 'GET or PUT');
  const seen = revisionOf(request.headers['if-match']);
  const { conflict, note } = await store.set(id, await bodyOf(request), seen);
  if (conflict) return answer(response, seen === 0 ? 409 : 412, note);
  return response.writeHead(seen === 0 ? 201 : 204, { etag: etag(note.revision) }).end();
}

function noteId(url) {
  const [, id] = /^\/notes\/([^/?]+)$/.exec(url) ?? [];
  if (id === undefined) throw new Refusal(404, 'no such page');
  try {
    return decodeURIComponent(id);
  } catch {
    throw new Refusal(400, 'the path is not properly escaped');
  }
}

/** The revision that a caller has seen; 0 if it names none. */
function revisionOf(ifMatch) {
  if (ifMatch === undefined) return 0;
  const [, digits] = /^"([1-9]\d{0,15})"$/.exec(ifMatch) ?? [];
  if (digits === undefined) throw new Refusal(400, 'If-Match must be an ETag that this service gave');
  return Number(digits);
}

async function bodyOf(request) {
  const tooLarge = new Refusal(413, 'a note holds at most 64 KiB');
  // Thrown amid the body, it ends the connection, and perhaps before the answer is read.
  if (Number(request.headers['content-length']) > MAX_NOTE) throw tooLarge;
  const chunks = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length > MAX_NOTE) throw tooLarge;
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}

/** Sends a note as it is; after a conflict too, so that the caller can merge. */
function answer(response, status, note) {
  const headers = { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' };
  response.writeHead(status, note ? { ...headers, etag: etag(note.revision) } : headers).end(note?.text);
}

const etag = (revision) => `"${revision}"`;

/** Says what went wrong as far as the caller can do something about it. */
function fail(response, error) {
  const { status, message } = error instanceof Refusal ? error : refusalOf(error);
  if (status >= 500) console.error(error);
  if (response.headersSent) return response.destroy();
  const headers = { 'content-type': 'text/plain; charset=utf-8', ...(status === 503 && { 'retry-after': '5' }) };
  return response.writeHead(status, headers).end(`${message}\n`);
}

function refusalOf(error) {
  if (error.name === 'TimeoutError') return new Refusal(503, 'the store is away: try again');
  switch (error.code) {
    case 'BAD_USER_INPUT':
      return new Refusal(400, "a note's name has 1 to 64 bytes, without control characters");
    case 'QUOTA_EXCEEDED':
      return new Refusal(507, 'there is no room left');
    case 'UNREACHABLE':
    case 'UNAVAILABLE':
    case 'RATE_LIMITED':
      return new Refusal(503, 'the store is away: try again');
    default:
      return new Refusal(502, 'the store cannot do this');
  }
}
