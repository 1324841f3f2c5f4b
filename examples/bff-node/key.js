import { randomUUID } from 'node:crypto';
import { link, open, readFile, rm } from 'node:fs/promises';

import { Identity } from '@syncline/client';

/**
 * The identity of the service: of the key given in hexadecimal, or else of the one in
 * a file, which is made on the first start. Whoever has the key is the service,
 * so keep a copy of it in a safe place.
 *
 * @param {string | undefined} given
 * @param {string} path
 */
export async function serviceIdentity(given, path) {
  if (given) return Identity.fromHex(given);
  const text = await readFile(path, 'utf8').catch(async (error) => {
    if (error.code !== 'ENOENT') throw error;
    await createKey(path);
    return readFile(path, 'utf8');
  });
  try {
    return Identity.fromHex(text);
  } catch (cause) {
    throw new Error(`there is no key in ${path}: restore it from your copy`, { cause });
  }
}

/**
 * Keeps a new key in a file that only its owner may read. It appears as a whole,
 * and never in place of one that another process made meanwhile.
 *
 * @param {string} path
 */
async function createKey(path) {
  const temporary = `${path}.${randomUUID()}`;
  const file = await open(temporary, 'wx', 0o600);
  try {
    await file.writeFile(`${Identity.create().exportHex()}\n`);
    await file.sync();
    await link(temporary, path).catch((error) => {
      if (error.code !== 'EEXIST') throw error;
    });
  } finally {
    await file.close();
    await rm(temporary);
  }
}
