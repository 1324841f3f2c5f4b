import { createHash } from 'node:crypto';
import { createServer } from 'node:http';

import { listen } from '../testing/dist/index.js';

/** What a request for a page answers at most, of each server. */
export const PAGE = 1000;

/**
 * The servers of the peers: pages of JSON for RxDB and idb, and what PouchDB asks a CouchDB for. They have all answers
 * ready in memory and check nothing, which Syncline's server does: whatever a peer takes is its own time.
 */
export async function startPeers(records) {
  const pages = new Map(); // by path
  const couch = new Map(); // by number of records: those of CouchDB
  const server = createServer((request, response) => {
    const headers = {
      'access-control-allow-origin': request.headers.origin ?? '*',
      'access-control-allow-credentials': 'true',
      'access-control-allow-headers': 'content-type, accept',
      'access-control-allow-methods': 'GET, PUT, POST',
      'access-control-max-age': '600',
      'content-type': 'application/json',
    };
    if (request.method === 'OPTIONS') return response.writeHead(204, headers).end();
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
      const url = new URL(request.url, 'http://peers');
      const [, kind, count, what = ''] = url.pathname.split('/');
      const body = parts.length > 0 ? JSON.parse(Buffer.concat(parts)) : undefined;
      const [status, answer] = kind === 'pages' ? [200, page(Number(count), Number(url.searchParams.get('after')))] : kind === 'push' ? [200, '[]'] : couchdb(Number(count), what, url, request.method, body);
      response.writeHead(status, headers).end(answer);
    });
  });

  const page = (count, after) => {
    const key = `${count} ${after}`;
    if (!pages.has(key)) pages.set(key, JSON.stringify(records(count).slice(after, after + PAGE)));
    return pages.get(key);
  };

  const couchdb = (count, what, url, method, body) => {
    if (!couch.has(count)) couch.set(count, new Map(records(count).map(({ id, text }) => [id, documentOf(id, text)])));
    const documents = couch.get(count);
    switch (what) {
      case '':
        return [200, JSON.stringify({ db_name: String(count), update_seq: documents.size, doc_count: documents.size, instance_start_time: '0' })];
      case '_local':
        return method === 'PUT' ? [201, JSON.stringify({ ok: true, id: body._id, rev: '0-1' })] : [404, JSON.stringify({ error: 'not_found', reason: 'missing' })];
      case '_changes': {
        const since = Number(url.searchParams.get('since') ?? 0);
        const limit = Number(url.searchParams.get('limit') ?? 1e9);
        const results = [...documents.values()].slice(since, since + limit).map(({ _id, _rev }, i) => ({ seq: since + i + 1, id: _id, changes: [{ rev: _rev }] }));
        return [200, JSON.stringify({ results, last_seq: since + results.length, pending: Math.max(0, documents.size - since - results.length) })];
      }
      case '_bulk_get':
        return [200, JSON.stringify({ results: body.docs.map(({ id }) => ({ id, docs: [{ ok: documents.get(id) }] })) })];
      case '_revs_diff':
        return [200, JSON.stringify(Object.fromEntries(Object.entries(body).map(([id, missing]) => [id, { missing }])))];
      case '_bulk_docs':
        return [201, '[]'];
      default:
        return [404, JSON.stringify({ error: 'not_found', reason: what })];
    }
  };
  const port = await listen(server);
  return {
    url: `http://127.0.0.1:${port}`,
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}

function documentOf(_id, text) {
  const hash = createHash('md5').update(_id).digest('hex');
  return { _id, _rev: `1-${hash}`, _revisions: { start: 1, ids: [hash] }, text };
}
