import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { authorityOf, connectionParams, contentDigest, fromBase64, Identity, Session, sign, signedFetch } from '@syncline/client';

interface Vector {
  name: string;
  kind: 'http-post' | 'http-get' | 'websocket';
  privateKey: string;
  method: string;
  authority: string;
  path: string;
  query: string;
  body: string;
  created: number;
  nonce: string;
  baseText: string;
  contentDigest: string;
  signatureInput: string;
  signature: string;
  owner: string;
}

const file = new URL('../../../../testdata/vectors/signing.json', import.meta.url);
const { accepted } = JSON.parse(readFileSync(file, 'utf8')) as { accepted: Vector[] };

test('there are vectors of every kind', () => {
  assert.deepEqual(new Set(accepted.map(({ kind }) => kind)), new Set(['http-post', 'http-get', 'websocket']));
});

for (const vector of accepted) {
  test(`signs ${vector.name} to the byte`, () => {
    const identity = Identity.fromHex(vector.privateKey);
    const digest = vector.kind === 'http-post' ? contentDigest(fromBase64(vector.body)) : undefined;
    const { method, authority, path, query } = vector;
    const tag = vector.kind === 'websocket' ? 'syncline-ws' : 'syncline';
    const message = { method, authority, path, query, tag, ...(digest && { contentDigest: digest }) } as const;
    const signed = sign(identity, message, vector);
    assert.equal(identity.publicKey, vector.owner);
    assert.equal(digest ?? '', vector.contentDigest);
    assert.deepEqual(signed, {
      baseText: vector.baseText,
      signatureInput: vector.signatureInput,
      signature: vector.signature,
    });
  });
}

// A lone question mark is taken off a URL, because not every fetch sends it.
for (const vector of accepted.filter(({ kind, query }) => kind !== 'websocket' && query !== '?')) {
  test(`signedFetch sends ${vector.name}`, async () => {
    const url = `https://${vector.authority}${vector.path}${vector.query}`;
    let sent: { url: string; headers: Headers } | undefined;
    const stub: typeof fetch = async (input, init) => {
      sent = { url: String(input), headers: new Headers(init?.headers) };
      return Response.json({ data: null });
    };
    const session = new Session({ url, identity: Identity.fromHex(vector.privateKey) });
    const body = vector.method === 'GET' ? null : fromBase64(vector.body);
    await signedFetch(session, { fetch: stub, moment: () => vector })(url, { method: vector.method, body });
    assert.equal(sent?.url, url);
    assert.equal(sent.headers.get('signature-input'), vector.signatureInput);
    assert.equal(sent.headers.get('signature'), vector.signature);
    assert.equal(sent.headers.get('content-digest') ?? '', vector.contentDigest);
  });
}

for (const vector of accepted.filter(({ kind }) => kind === 'websocket')) {
  test(`connectionParams of ${vector.name}`, () => {
    const url = `https://${vector.authority}${vector.path}${vector.query}`;
    const session = new Session({ url, identity: Identity.fromHex(vector.privateKey) });
    assert.deepEqual(connectionParams(session, { moment: () => vector })(), {
      'signature-input': vector.signatureInput,
      signature: vector.signature,
    });
  });
}

test('ports 80 and 443 are no part of the authority, whatever the scheme', () => {
  for (const [url, authority] of [
    ['http://EXAMPLE.com:443/', 'example.com'],
    ['https://example.com:80/', 'example.com'],
    ['https://example.com:8080/', 'example.com:8080'],
    ['http://[::1]:80/', '[::1]'],
    ['http://[::80]:8080/', '[::80]:8080'],
  ] as const) {
    assert.equal(authorityOf(new URL(url)), authority);
  }
});
