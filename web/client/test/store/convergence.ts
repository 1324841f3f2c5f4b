import { Identity, Session, signedFetch } from '@syncline/client';
import { memoryStorage } from '@syncline/client/store';
import type { Locks, Storage, Store } from '@syncline/client/store';
import type { Server } from 'syncline-testing';

import { call } from '../call.js';
import { Device } from './devices.js';

/** Numbers that look random, the same for each seed. */
export function random(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** That the process ended: nothing of a tab happens after it. */
class Killed extends Error {}

/** A tab's way to storage and network, which ends at a chosen step, before or after that took place. */
class Life {
  #left = Infinity;
  dead = false;
  down = false;

  constructor(
    private readonly storage: Storage,
    private readonly roll: (below: number) => number,
    private readonly bend: Bend,
    private readonly sending: Set<Life>,
    /** Another tab of the device was sending at the same time. */
    private readonly rival: () => void,
  ) {}

  /** Ends after so many more steps. */
  endAfter(steps: number): void {
    this.#left = steps;
  }

  #step(): void {
    if (--this.#left < 0) this.dead = true;
    if (this.dead) throw new Killed('the process ended');
  }

  get tables(): Storage {
    const { storage } = this;
    const kill = () => void (this.dead = true);
    const tables: Storage = {
      shared: true,
      transact: async (mode, work) => {
        this.#step();
        const result = await storage.transact(mode, work);
        this.#step();
        return result;
      },
      close() {},
    };
    return this.bend(tables, kill);
  }

  readonly fetch: typeof fetch = async (...args) => {
    this.#step();
    if (this.down) throw new TypeError('no network');
    this.sending.add(this);
    if ([...this.sending].filter(({ dead }) => !dead).length > 1) this.rival();
    try {
      const response = await fetch(...args);
      const body = await response.arrayBuffer();
      this.#step();
      if (this.down || this.roll(10) === 0) throw new TypeError('the answer was lost');
      return new Response(body, response);
    } finally {
      this.sending.delete(this);
    }
  };
}

/** Each field of a value counts the writes that were made in it: by adding, so that a lost or a doubled one shows. */
type Value = Record<string, number>;

/** A store that is broken in some way: what is done to its storage. `kill` ends its process at the next step. */
export type Bend = (storage: Storage, kill: () => void) => Storage;

export interface Broken {
  bend?: Bend;
  /** In place of locks that work. */
  locks?: Locks;
  /** How long it may take to get into step, in rounds of some milliseconds. */
  rounds?: number;
}

export interface Outcome {
  /** What is wrong; empty if all is well. */
  wrong: string[];
  operations: number;
  killed: number;
}

/**
 * Devices of one user, with tabs, do random things to a few records: they write, delete, write together, go offline,
 * are killed at any step, and open again. In the end all are online, and must have what the server has. Each
 * tab writes fields of its own, so that no merge may lose one: `a field` counts up, and what was kept last must be there.
 */
export async function converge(server: Server, seed: number, steps: number, { bend = (storage) => storage, locks, rounds = 4000 }: Broken = {}): Promise<Outcome> {
  const roll = random(seed);
  const identity = Identity.create();
  const wrong: string[] = [];
  let operations = 0;
  let killed = 0;
  let lives = 0;
  /** By field: the highest count that was kept on disk. Only who has the field writes it. */
  const kept = new Map<string, number>();
  const ids = ['a', 'b', 'c', 'd'];

  const devices = Array.from({ length: 3 }, () => new Device(identity, server.url, memoryStorage()));
  const tabs: { device: Device; number: number; life: Life; store: Store<Value> }[] = [];
  const sending = new Map(devices.map((device) => [device, new Set<Life>()]));
  const open = async (device: Device, number: number) => {
    // Numbers of its own: which request fails does not depend on how fast the others are.
    const life = new Life(device.storage, random(seed * 1000 + lives++), bend, sending.get(device)!, () => wrong.push(`tab ${number} was sending while another of its device was`));
    const options = { channel: (name: string) => mortal(device, name, life), ...(locks && { locks }) };
    const store = await device.tab<Value>({ storage: life.tables, fetch: life.fetch, pollSeconds: 0.01, tabs: options });
    return { device, number, life, store };
  };
  for (const device of devices) for (let i = 0; i < 2; i++) tabs.push(await open(device, tabs.length));

  const count = new Map<string, number>();
  const write = async ({ store, number }: (typeof tabs)[number]) => {
    operations++;
    const chosen = ids.filter(() => roll(3) === 0);
    const fields = chosen.map((id) => [id, `${id}${number}`] as const);
    const next = new Map<string, number>();
    await store.batch((batch) => {
      for (const [id, field] of fields) {
        const n = (count.get(field) ?? 0) + 1;
        count.set(field, n);
        next.set(field, n);
        batch.update(id, (value) => ({ ...value, [field]: n }));
      }
    });
    for (const [field, n] of next) kept.set(field, n);
  };

  for (let step = 0; step < steps; step++) {
    const tab = tabs[roll(tabs.length)]!;
    const dice = roll(20);
    if (dice === 0) await tab.store.delete('x').catch((error) => ignoreKilled(error, wrong));
    else if (dice === 1) await tab.store.put('x', { n: step }).catch((error) => ignoreKilled(error, wrong));
    else if (dice < 11) await write(tab).catch((error) => ignoreKilled(error, wrong));
    else if (dice < 13) tab.life.down = !tab.life.down;
    else if (dice < 15) tab.store.refresh();
    else if (dice < 19) tab.life.endAfter(roll(12));
    else await new Promise((resolve) => setTimeout(resolve, roll(8)));
    if (tab.life.dead) {
      killed++;
      tab.store.close();
      tabs[tab.number] = await open(tab.device, tab.number);
    }
  }

  // While they get into step, they are killed a few more times.
  for (let pass = 0; pass < 4; pass++) {
    for (const { life, store } of tabs) {
      life.down = false;
      life.endAfter(pass < 3 ? roll(16) : 0);
      store.refresh();
    }
    for (let wait = 0; wait < 40 && !devices.every((device) => tabs.some((tab) => tab.device === device && tab.life.dead)); wait++) {
      await new Promise((resolve) => setTimeout(resolve, 3));
    }
    for (const { device, number, life, store } of tabs) {
      if (life.dead) killed++;
      life.dead = true;
      store.close();
      tabs[number] = await open(device, number);
    }
  }
  const send = signedFetch(new Session({ url: server.url, identity }));
  let truth: Record<string, Value> = {};
  for (let round = 0; round < rounds; round++) {
    truth = await stateOf(server.url, send);
    wrong.splice(0, wrong.length, ...wrong.filter((each) => !each.startsWith('in the end')));
    for (const { device, number, life, store: opened } of tabs) {
      if (life.dead) opened.close();
      const { store } = life.dead ? (tabs[number] = await open(device, number)) : tabs[number]!;
      store.refresh();
      const mirror = Object.fromEntries(((await store.list().catch(() => [])) as { id: string; value: Value }[]).map(({ id, value }) => [id, value]));
      if (sorted(mirror) !== sorted(truth)) wrong.push(`in the end tab ${number} has ${sorted(mirror)}, the server ${sorted(truth)}`);
      if (!(await store.isUploaded().catch(() => false))) wrong.push(`in the end tab ${number} has not uploaded everything`);
    }
    if (!wrong.some((each) => each.startsWith('in the end'))) break;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  for (const [field, n] of kept) {
    const there = truth[field[0]!]?.[field] ?? 0;
    if (there < n) wrong.push(`field ${field} was written as ${n}, and is ${there}`);
  }
  for (const device of devices) device.close();
  return { wrong, operations, killed };
}

/** A channel that a dead tab says nothing on. */
function mortal(device: Device, name: string, life: Life) {
  const channel = device.channel(name);
  const { postMessage } = channel;
  channel.postMessage = (message) => void (life.dead || postMessage(message));
  return channel;
}

function ignoreKilled(error: unknown, wrong: string[]): void {
  if (!(error instanceof Killed)) wrong.push(String(error));
}

/** What the server has. */
async function stateOf(url: string, send: typeof fetch): Promise<Record<string, Value>> {
  const { changes } = await call<{ changes: { records: { id: string; data: string | null }[] } }>(url, send, '{ changes { records { id data } } }');
  return Object.fromEntries(changes.records.flatMap(({ id, data }) => (data === null ? [] : [[id, JSON.parse(atob(data)) as Value]])));
}

function sorted(values: Record<string, unknown>): string {
  return JSON.stringify(values, (_, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) : value,
  );
}
