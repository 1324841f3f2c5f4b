#!/usr/bin/env node
// node audit.js http://localhost:8080/graphql
//
// Exits with 0 only if every audit passes: a warning or a notice is a failure here.
import { Identity, Session, signedFetch } from '@syncline/client';
import { serverAudits } from 'graphql-http';

// How many audits there are in the version that package.json names. Another
// number means that something other than what was agreed on was run.
const EXPECTED = 61;

const url = process.argv[2];
if (process.argv.length !== 3 || !URL.canParse(url)) {
  console.error('usage: audit.js <URL of the GraphQL endpoint>');
  process.exit(2);
}

const session = new Session({ url, identity: Identity.create() });
const audits = serverAudits({ url, fetchFn: signedFetch(session) });
const results = await Promise.all(audits.map(run));
const failed = results.filter(({ status }) => status !== 'ok');
for (const { id, status, name, reason } of failed) {
  console.log(`${status} ${id} ${name}: ${reason}`);
}
console.log(`${results.length - failed.length} of ${results.length} audits passed, signed`);
process.exit(failed.length === 0 && results.length === EXPECTED ? 0 : 1);

async function run({ id, name, fn }) {
  try {
    return await fn();
  } catch (error) {
    return { id, name, status: 'error', reason: error.cause ?? error };
  }
}
