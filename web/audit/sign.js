// Signs requests by Syncline's profile of RFC 9421: see "How to sign" in the README.
import { createHash, randomBytes } from 'node:crypto';
import { secp256k1 } from '@noble/curves/secp256k1.js';

/** A fetch that signs with a key of its own. */
export function signedFetch(secretKey = secp256k1.utils.randomSecretKey()) {
  const keyID = Buffer.from(secp256k1.getPublicKey(secretKey, true)).toString('hex');

  return async (input, init = {}) => {
    const url = new URL(input);
    const method = init.method ?? 'GET';
    const headers = new Headers(init.headers);
    const covered = [
      ['@method', method],
      ['@authority', url.host],
      ['@path', url.pathname],
    ];
    if (url.search) covered.push(['@query', url.search]);
    if (method !== 'GET') {
      const hash = createHash('sha256').update(init.body ?? '').digest('base64');
      headers.set('content-digest', `sha-256=:${hash}:`);
      covered.push(['content-digest', headers.get('content-digest')]);
    }

    const names = covered.map(([name]) => `"${name}"`).join(' ');
    const created = Math.floor(Date.now() / 1000);
    const nonce = randomBytes(16).toString('hex');
    const params = `(${names});created=${created};nonce="${nonce}";keyid="${keyID}";tag="syncline"`;
    const lines = covered.map(([name, value]) => `"${name}": ${value}`);
    const text = [...lines, `"@signature-params": ${params}`].join('\n');

    const signature = secp256k1.sign(Buffer.from(text), secretKey, {
      format: 'recovered',
      prehash: true,
    });
    signature[0] += 31;
    headers.set('signature-input', `sig=${params}`);
    headers.set('signature', `sig=:${Buffer.from(signature).toString('base64')}:`);
    return fetch(url, { ...init, headers });
  };
}
