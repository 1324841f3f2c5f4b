import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';

import { follow, Identity, Session, signedFetch } from '@syncline/client';
import { createSocket } from '@syncline/client/graphql-ws';
import type { Page } from 'playwright-core';
import { startChromium, until } from 'syncline-testing';
import type { Killable, Server, Site } from 'syncline-testing';
import WebSocket from 'ws';

import { call } from '../call.js';
import { Relay } from '../relay.js';
import { random } from '../store/convergence.js';
import type { Report, Role, Value } from './pages/convergence.js';

/** Numbers of writes that a tab has until it is opened again. */
const NUMBERS = 100_000;

/** What tabs told of, by which the end is judged. */
class Told {
  readonly wrong: string[] = [];
  writes = 0;
  /** By record and tab: the highest number that was on disk. */
  readonly numbers = new Map<string, number>();
  readonly logs = new Set<string>();
  readonly deleted = new Set<string>();

  hear(name: string, report: Report): void {
    if ('half' in report) this.wrong.push(`${name} showed ${report.half} without the rest of its batch`);
    else if ('deleted' in report) this.deleted.add(report.deleted);
    else {
      this.writes++;
      this.logs.add(`log/${name}-${report.wrote}`);
      for (const id of report.ids) this.numbers.set(`${id} ${name}`, Math.max(report.wrote, this.numbers.get(`${id} ${name}`) ?? 0));
    }
  }

  /** All that was there until now may be gone. */
  forget(): void {
    this.numbers.clear();
    this.logs.clear();
  }
}

/** A tab of a computer. */
interface Tab extends Role {
  page?: Page;
}

/** Somebody's computer: a Chromium with a profile of its own, two tabs, and a network of its own. */
class Computer {
  readonly directory = mkdtempSync(join(tmpdir(), 'syncline-profile-'));
  readonly tabs: Tab[];
  #browser: Killable | undefined;

  constructor(
    readonly number: number,
    readonly relay: Relay,
    private readonly site: Site,
    private readonly key: string,
    private readonly told: Told,
    ids: readonly (readonly string[])[],
  ) {
    this.tabs = ids.map((written, i) => ({ name: `computer${number}tab${i}`, after: 0, ids: [...written] }));
  }

  async start(): Promise<void> {
    this.#browser = await startChromium(this.directory);
    await Promise.all(this.tabs.map((tab) => this.open(tab)));
  }

  /** Opens a tab, or opens it again. */
  async open(tab: Tab): Promise<void> {
    const page = await this.#browser!.context.newPage();
    tab.page = page;
    tab.after += NUMBERS;
    page.on('pageerror', (error) => this.told.wrong.push(`${tab.name}: ${error.message}`));
    await page.exposeFunction('tell', (report: Report) => this.told.hear(tab.name, report));
    await page.goto(this.site.origin());
    const { name, after, ids } = tab;
    await page.evaluate(([...args]) => converging.open(...args), [this.relay.url, this.key, { name, after, ids }] as const);
  }

  /** Ends the processes, in the middle of whatever they do. */
  async kill(): Promise<void> {
    await this.#browser?.kill();
    this.#browser = undefined;
  }

  /** Ends a tab's process alone. */
  async crash({ page }: Tab): Promise<void> {
    const control = await this.#browser!.context.newCDPSession(page!);
    const crashed = new Promise((resolve) => page!.once('crash', resolve));
    void control.send('Page.crash').catch(() => {}); // there is nobody to answer
    await crashed;
    await page!.close();
  }

  async each(does: (page: Page) => Promise<unknown>): Promise<void> {
    await Promise.all(this.tabs.map(({ page }) => does(page!)));
  }

  async stop(): Promise<void> {
    await this.kill();
    this.relay.stop();
    rmSync(this.directory, { recursive: true, maxRetries: 10 });
  }
}

export interface Outcome {
  /** What is wrong; empty if all is well. */
  wrong: string[];
  writes: number;
  /** Browsers that were killed. */
  killed: number;
  handedBack: number;
}

type Trouble = 'kill' | 'crash' | 'reload' | 'cut' | 'network' | 'server' | 'erase';

/** What happens in a round, in an order that is another one each time. */
const TROUBLES: readonly Trouble[] = ['kill', 'kill', 'kill', 'crash', 'reload', 'cut', 'cut', 'cut', 'network', 'network', 'network', 'server'];

/**
 * Three computers of one user, each with two tabs that write and delete all the time, are killed, lose tabs and the network,
 * and the server is killed and started again; in every third round all data of the user are erased at some time. In the
 * end all are online, and must show, and have, what the server has. What was on disk is there, or was set aside because all was erased.
 */
export async function convergeInChromium(server: Server, site: Site, seed: number): Promise<Outcome> {
  const roll = random(seed);
  const identity = Identity.create();
  const told = new Told();
  const erases = seed % 3 === 1;
  // What is set aside is looked for in the end: another tab's write to the same record would take its place until then.
  const ids = erases ? [['a', 'b'], ['c', 'd']] : [['a', 'b', 'c', 'd'], ['a', 'b', 'c', 'd']];
  const computers: Computer[] = [];
  for (let number = 0; number < 3; number++) computers.push(new Computer(number, await Relay.start(server.port), site, identity.exportHex(), told, ids));
  const session = new Session({ url: server.url, identity });
  const send = signedFetch(session);
  const history = watchHistory(session, told);
  let killed = 0;
  const all = (does: (computer: Computer) => Promise<unknown>) => Promise.all(computers.map(does));
  const work = (page: Page) => page.evaluate(() => converging.work());
  const rest = (page: Page) => page.evaluate(() => converging.rest());

  const happens: Record<Trouble, (computer: Computer, tab: Tab) => Promise<void>> = {
    async kill(computer) {
      await computer.kill();
      killed++;
      await computer.start();
      await computer.each(work);
    },
    async crash(computer, tab) {
      await computer.crash(tab);
      await computer.open(tab);
      await work(tab.page!);
    },
    async reload(computer, tab) {
      await tab.page!.close();
      await computer.open(tab);
      await work(tab.page!);
    },
    async cut({ relay }) {
      relay.cut();
    },
    async network({ relay }) {
      relay.closed = !relay.closed;
      relay.cut();
    },
    async server() {
      await server.kill();
      await server.start();
    },
    async erase() {
      await all((computer) => computer.each(rest));
      await call(server.url, send, ERASE, { input: { owner: identity.publicKey } });
      told.forget();
      history.forget();
      await all((computer) => computer.each(work));
    },
  };

  try {
    await all((computer) => computer.start());
    await all((computer) => computer.each(work));
    for (const trouble of shuffled([...TROUBLES, ...(erases ? (['erase'] as const) : [])], roll)) {
      await new Promise((resolve) => setTimeout(resolve, roll(400)));
      const computer = computers[roll(computers.length)]!;
      await happens[trouble](computer, computer.tabs[roll(2)]!);
    }
    // Once more all of them, while they get into step.
    for (const { relay } of computers) relay.closed = false;
    await new Promise((resolve) => setTimeout(resolve, roll(400)));
    await all((computer) => computer.kill());
    killed += computers.length;
    await all((computer) => computer.start());
    const aside = await gather(computers);
    let differences: string[] = [];
    let truth: Record<string, Value> = {};
    await until(async () => {
      aside.push(...(await gather(computers)));
      truth = await stateOf(server.url, send);
      differences = (await Promise.all(computers.flatMap(({ tabs }) => tabs.map((tab) => differs(tab, truth))))).flat();
      return differences.length === 0;
    }).catch(() => told.wrong.push(...differences));
    history.stop();
    judge(told, truth, aside, erases);
    return { wrong: told.wrong, writes: told.writes, killed, handedBack: aside.length };
  } finally {
    history.stop();
    await all((computer) => computer.stop());
  }
}

const ERASE = 'mutation ($input: EraseAccountInput!) { eraseAccount(input: $input) { erasedRecords } }';

function shuffled<T>(all: T[], roll: (below: number) => number): T[] {
  for (let i = all.length - 1; i > 0; i--) {
    const other = roll(i + 1);
    [all[i], all[other]] = [all[other]!, all[i]!];
  }
  return all;
}

/** Follows the server's own history: a tab's number in a record never falls, or a write was stored again after a later one. */
function watchHistory(session: Session, told: Told) {
  const over = new AbortController();
  const socket = createSocket(session, { webSocketImpl: WebSocket });
  const last = new Map<string, number>();
  const onRecord = ({ id, data, deleted }: { id: string; data: string | null; deleted: boolean }) => {
    if (deleted || id === 'x' || id.startsWith('log/')) return;
    const value = JSON.parse(atob(data!)) as Value;
    for (const [name, number] of Object.entries(value)) {
      const before = last.get(`${id} ${name}`) ?? 0;
      if (number < before) told.wrong.push(`the server had ${number} of ${name} in ${id} after ${before}`);
      last.set(`${id} ${name}`, number);
    }
  };
  // An erasure ends it: what comes after that is followed by another one.
  const begin = () => void follow(socket, { since: '0', onRecord, signal: over.signal }).run().catch((error: { code?: string }) => error.code === 'CURSOR_TOO_OLD' && begin());
  begin();
  return {
    forget: () => last.clear(),
    stop() {
      over.abort();
      void socket.dispose();
    },
  };
}

type Aside = Awaited<ReturnType<(typeof globalThis)['converging']['takeAside']>>;

/** What is set aside on the computers, which drop it. */
async function gather(computers: readonly Computer[]): Promise<Aside> {
  return (await Promise.all(computers.map(({ tabs }) => tabs[0]!.page!.evaluate(() => converging.takeAside())))).flat();
}

async function differs({ name, page }: Tab, truth: Readonly<Record<string, Value>>): Promise<string[]> {
  await page!.evaluate(() => converging.refresh());
  const { seen, listed, isUploaded, evicted, error } = await page!.evaluate(() => converging.state());
  const wrong: string[] = [];
  if (!isDeepStrictEqual(seen, truth)) wrong.push(`${name} shows other records than the server has: ${difference(seen, truth)}`);
  if (!isDeepStrictEqual(listed, truth)) wrong.push(`${name} has other records than the server: ${difference(listed, truth)}`);
  if (!isUploaded) wrong.push(`${name} has not uploaded everything (${error})`);
  if (evicted) wrong.push(`${name} takes its database for evicted`);
  return wrong;
}

function difference(here: Readonly<Record<string, Value>>, there: Readonly<Record<string, Value>>): string {
  const ids = [...new Set([...Object.keys(here), ...Object.keys(there)])].filter((id) => !isDeepStrictEqual(here[id], there[id]));
  return ids.slice(0, 5).map((id) => `${id} ${JSON.stringify(here[id])} instead of ${JSON.stringify(there[id])}`).join(', ');
}

/** Compares what tabs told of with what there is in the end, and with what was set aside. */
function judge({ wrong, numbers, logs, deleted }: Told, truth: Readonly<Record<string, Value>>, aside: Aside, erases: boolean): void {
  const handed = new Map<string, Value[]>();
  for (const { code, writes } of aside) {
    if (code !== 'ERASED' || !erases) wrong.push(`something was set aside as ${code}`);
    for (const { id, value } of writes) handed.set(id, [...(handed.get(id) ?? []), value ?? {}]);
  }
  for (const [which, number] of numbers) {
    const [id, name] = which.split(' ') as [string, string];
    const there = [truth[id], ...(handed.get(id) ?? [])].map((value) => value?.[name] ?? 0);
    if (Math.max(...there) < number) wrong.push(`${name} wrote ${number} to ${id}, and there is ${there.join(', ')}`);
  }
  for (const log of logs) {
    const mayBeDeleted = Number(log.split('-')[1]) % 3 === 0;
    if (!mayBeDeleted && !truth[log] && !handed.has(log)) wrong.push(`${log} is gone`);
  }
  for (const log of deleted) if (truth[log] && !handed.has(log)) wrong.push(`${log} was deleted, and is there again`);
}

/** What the server has. */
async function stateOf(url: string, send: typeof fetch): Promise<Record<string, Value>> {
  interface Changes {
    changes: { records: { id: string; data: string | null; deleted: boolean }[]; cursor: string; hasMore: boolean };
  }
  const state: Record<string, Value> = {};
  for (let since: string | null = null, more = true; more; ) {
    const { changes }: Changes = await call(url, send, 'query ($since: Cursor) { changes(since: $since, first: 1000) { records { id data deleted } cursor hasMore } }', { since });
    for (const { id, data, deleted } of changes.records) {
      if (deleted) delete state[id];
      else state[id] = JSON.parse(atob(data!)) as Value;
    }
    [since, more] = [changes.cursor, changes.hasMore];
  }
  return state;
}
