// node bench.js [--rounds 3] [--quick] [--only coldSync,firstList]
//
// Measures the offline store in Chromium beside RxDB with Dexie, PouchDB and plain idb, which do the same work in turns. Prints a table,
// and writes it and all figures to results/.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { Identity, newNonce, Session, signedFetch } from '../client/dist/index.js';
import { bundle, launchProfile, Server, Site } from '../testing/dist/index.js';
import { startPeers } from './peers.js';

const { values: flags } = parseArgs({ options: { rounds: { type: 'string', default: '3' }, quick: { type: 'boolean' }, only: { type: 'string' } } });
const ROUNDS = Number(flags.rounds);
const [SMALL, LARGE] = flags.quick ? [1_000, 10_000] : [10_000, 100_000];

const PEERS = ['RxDB with Dexie', 'PouchDB'];
const TEXT = 'The quick brown fox jumps over the lazy dog. '.repeat(5).slice(0, 189); // 200 bytes of JSON, with its name
const idOf = (n) => `record-${String(n).padStart(6, '0')}`; // as page.js has it
const made = new Map();
const records = (count) => made.get(count) ?? made.set(count, Array.from({ length: count }, (_, n) => ({ id: idOf(n), text: TEXT }))).get(count);
const data = Buffer.from(JSON.stringify({ text: TEXT })).toString('base64');

/** What is measured: the task, who does it, and with how many records, or how often. */
const TASKS = [
  { name: 'coldSync', count: SMALL, subjects: ['Syncline', ...PEERS, 'idb', 'rows alone'], then: 'firstList' },
  { name: 'coldSync', count: LARGE, subjects: ['Syncline', ...PEERS, 'idb', 'rows alone'] },
  { name: 'coldSyncWatched', count: LARGE, subjects: ['Syncline'] },
  { name: 'watchWrites', times: 200, subjects: ['Syncline', 'RxDB with Dexie'] },
  { name: 'durableWrites', times: 200, subjects: ['Syncline', ...PEERS, 'idb', 'idb, relaxed'] },
  { name: 'sendsOffline', count: 1000, subjects: ['Syncline', ...PEERS] },
].filter(({ name, then }) => !flags.only || [name, then].some((each) => flags.only.split(',').includes(each)));

const [server, peers, script] = await Promise.all([Server.start(), startPeers(records), bundle(join(import.meta.dirname, 'page.js'))]);
const key = new Map([[0, () => Identity.create().exportHex()]]);
for (const count of new Set(TASKS.flatMap(({ name, count }) => (name.startsWith('coldSync') ? count : [])))) {
  const owner = Identity.create();
  await seed(owner, count);
  key.set(count, () => owner.exportHex());
}

/** By task, number and subject: milliseconds of each round, and its longest task. */
const results = new Map();
let agent = '';
for (let round = 1; round <= ROUNDS; round++) {
  for (const task of TASKS) for (const subject of task.subjects) await measure(task, subject, round);
}
report();
peers.stop();
await server.stop();

async function seed(owner, count) {
  const send = signedFetch(new Session({ url: server.url, identity: owner }));
  const query = 'mutation ($input: WriteRecordsInput!) { writeRecords(input: $input) { status } }';
  const writeBatch = async (first) => {
    const writes = records(count).slice(first, first + 100).map(({ id }) => ({ set: { id, data, revision: 0, schemaVersion: '' } }));
    const response = await send(server.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ query, variables: { input: { mutationId: newNonce(), writes } } }) });
    const answer = await response.json();
    if (answer.data?.writeRecords.status !== 'SUCCESS') throw new Error(JSON.stringify(answer));
  };
  const firsts = Array.from({ length: count / 100 }, (_, n) => n * 100);
  const take = async () => {
    for (let first; (first = firsts.shift()) !== undefined; ) await writeBatch(first);
  };
  await Promise.all([take(), take(), take(), take()]);
}

/** Has a subject do a task in a browser of its own, whose profile is new. */
async function measure({ name, count = 0, times, then }, subject, round) {
  const directory = mkdtempSync(join(tmpdir(), 'syncline-bench-'));
  const site = await Site.ofScript(script);
  const context = await launchProfile(directory);
  try {
    const page = await context.newPage();
    page.on('pageerror', (error) => console.error(`${subject}: ${error.message}`));
    page.on('console', (message) => message.type() === 'error' && !message.text().includes('404') && console.error(`${subject}: ${message.text()}`));
    await page.goto(site.origin());
    agent = await page.evaluate(() => navigator.userAgent);
    const own = (key.get(name.startsWith('coldSync') ? count : 0) ?? key.get(0))();
    const setup = { url: server.url, peers: peers.url, key: own, count, text: TEXT, data };
    const note = (what, outcome) => {
      const all = results.get(what) ?? new Map();
      results.set(what, all.set(subject, [...(all.get(subject) ?? []), outcome]));
      console.error(`round ${round}: ${what}, ${subject}: ${outcome.milliseconds.toFixed(2)} ms${outcome.longest ? `, longest task ${outcome.longest.toFixed(0)} ms` : ''}`);
    };
    if (times) {
      const all = await page.evaluate(([...args]) => bench.many(...args), [subject, name, setup, times]);
      return note(name, { milliseconds: median(all.slice(times / 10)) }); // the first ones warm up
    }
    note(`${name} ${count}`, await page.evaluate(([...args]) => bench.once(...args), [subject, name, setup]));
    if (!then || subject === 'rows alone') return;
    await page.reload();
    note(`${then} ${count}`, await page.evaluate(([...args]) => bench.once(...args), [subject, then, setup]));
  } finally {
    await context.close();
    await site.stop();
    rmSync(directory, { recursive: true, maxRetries: 10 });
  }
}

function median(all) {
  return all.toSorted((a, b) => a - b)[Math.floor(all.length / 2)];
}

function report() {
  const versions = (name) => JSON.parse(readFileSync(join(import.meta.dirname, 'node_modules', name, 'package.json'))).version;
  const peersOf = ['rxdb', 'dexie', 'pouchdb-browser', 'idb'].map((name) => `${name} ${versions(name)}`).join(', ');
  const lines = [
    `${/(?:Headless)?Chrome\/[\d.]+/.exec(agent)?.[0]}, Node.js ${process.versions.node}, ${peersOf}; ${cpus().length} × ${cpus()[0].model}; medians of ${ROUNDS} rounds`,
    '',
    '| | who | ms | Syncline takes of it | longest task, ms |',
    '|---|---|---|---|---|',
  ];
  for (const [what, all] of results) {
    const own = all.get('Syncline');
    for (const [subject, outcomes] of all) {
      const of = subject === 'Syncline' ? '' : median(outcomes.map(({ milliseconds }, i) => own[i].milliseconds / milliseconds)).toFixed(2);
      const longest = outcomes[0].longest === undefined ? '' : median(outcomes.map((each) => each.longest)).toFixed(0);
      lines.push(`| ${what} | ${subject} | ${median(outcomes.map(({ milliseconds }) => milliseconds)).toPrecision(3)} | ${of} | ${longest === '0' ? 'under 50' : longest} |`);
    }
  }
  const table = `${lines.join('\n')}\n`;
  const directory = join(import.meta.dirname, 'results');
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'results.md'), table);
  writeFileSync(join(directory, 'results.json'), `${JSON.stringify({ agent, rounds: ROUNDS, results: Object.fromEntries([...results].map(([what, all]) => [what, Object.fromEntries(all)])) }, null, 2)}\n`);
  console.log(table);
}
