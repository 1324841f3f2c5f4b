import { Identity, Session, signedFetch } from '@syncline/client';
import { memoryStorage } from '@syncline/client/store';
import type { Locks, Storage, Store } from '@syncline/client/store';
import { until } from 'syncline-testing';
import type { Server } from 'syncline-testing';

import { call } from '../call.js';
import { Device } from './devices.js';
import { Network } from './network.js';

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
  readonly #network = new Network();
  dead = false;
  down = false;

  constructor(
    private readonly storage: Storage,
    private readonly roll: (below: number) => number,
    private readonly bend: Bend,
    private readonly sending: Set<Life>,
    /** Another tab of the device was sending at the same time. */
    private readonly rival: () => void,
    /** Content that the device set aside because all was erased. */
    private readonly handedBack: (value: Value) => void,
  ) {}

  /** The next request for changes hears that its cursor is too old, as after 90 days, which the server keeps deletions for. */
  forgetHistory(): void {
    this.#network.refusal = { code: 'CURSOR_TOO_OLD', floor: 1, erased: false };
  }

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
        const aside: Value[] = [];
        const result = await storage.transact(mode, (t) =>
          work({
            ...t,
            put(table, key, value) {
              const { refused, writes } = value as { refused?: string; writes?: { data: string | null }[] };
              if (table === 'records' && refused === 'ERASED') aside.push(JSON.parse(atob(writes![0]!.data ?? btoa('{}'))) as Value);
              t.put(table, key, value);
            },
          }),
        );
        aside.forEach(this.handedBack);
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
      const response = await this.#network.fetch(...args);
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
  /** Files that were taken in. */
  imported: number;
  /** Values that were set aside because all was erased. */
  handedBack: number;
}

/**
 * Devices of one user, with tabs, do random things to a few records: they write, delete, write together, go offline,
 * are killed at any step, and open again; they hear that their cursor is too old, and take in files that others exported.
 * In every third round all is erased at some step, and in every fourth the server is restored from a backup. In the end
 * all are online, and must have what the server has. Each tab writes fields of its own, so that no merge may lose
 * one: a field counts up, and what was kept last must be there, or was set aside because all was erased. Of what was kept
 * between a backup and its restore, only that all have the same.
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
  /** By field: the highest count that was set aside since all was erased. */
  const handed = new Map<string, number>();
  let [imported, handedBack] = [0, 0];
  const setAside = (value: Value) => {
    handedBack++;
    for (const [field, n] of Object.entries(value)) handed.set(field, Math.max(n, handed.get(field) ?? 0));
  };
  const ids = ['a', 'b', 'c', 'd'];

  const devices = Array.from({ length: 3 }, () => new Device(identity, server.url, memoryStorage()));
  const tabs: { device: Device; number: number; life: Life; store: Store<Value> }[] = [];
  const sending = new Map(devices.map((device) => [device, new Set<Life>()]));
  const open = async (device: Device, number: number) => {
    // Numbers of its own: which request fails does not depend on how fast the others are.
    const life = new Life(device.storage, random(seed * 1000 + lives++), bend, sending.get(device)!, () => wrong.push(`tab ${number} was sending while another of its device was`), setAside);
    const options = { channel: (name: string) => mortal(device, name, life), ...(locks && { locks }) };
    const store = await device.tab<Value>({ storage: life.tables, fetch: life.fetch, pollSeconds: 0.01, tabs: options });
    return { device, number, life, store };
  };
  for (const device of devices) for (let i = 0; i < 2; i++) tabs.push(await open(device, tabs.length));

  const send = signedFetch(new Session({ url: server.url, identity }));
  const troubles = troublesOf(seed, steps, roll);
  let backup: string | undefined;
  /** By field: the count that is in the backup. */
  const backedUp = new Map<string, number>();
  let file: Blob | undefined;

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
    if (step === troubles.erase) {
      await call(server.url, send, ERASE, { input: { owner: identity.publicKey } });
      for (const each of [kept, handed, backedUp]) each.clear(); // what there was until now may be gone
    }
    if (step === troubles.backup) {
      for (const [id, fields] of Object.entries(await stateOf(server.url, send))) if (ids.includes(id)) for (const [field, n] of Object.entries(fields)) backedUp.set(field, n);
      backup = server.backup();
    }
    if (step === troubles.restore) {
      await restore(server, backup!);
      // What the server lost is written again, and may come after an older state of it, which a device writes again that was behind.
      kept.clear();
      for (const [field, n] of backedUp) kept.set(field, n);
    }
    const dice = roll(23);
    if (dice === 0) await tab.store.delete('x').catch((error) => ignoreKilled(error, wrong));
    else if (dice === 1) await tab.store.put('x', { n: step }).catch((error) => ignoreKilled(error, wrong));
    else if (dice < 11) await write(tab).catch((error) => ignoreKilled(error, wrong));
    else if (dice < 13) tab.life.down = !tab.life.down;
    else if (dice < 15) tab.store.refresh();
    else if (dice < 19) tab.life.endAfter(roll(12));
    else if (dice < 20) tab.life.forgetHistory();
    else if (dice < 21) file = await tab.store.export().catch((error) => (ignoreKilled(error, wrong), file));
    // One that the server's backup is older than would take along what only this device could write again.
    else if (dice < 22 && file && troubles.restore < 0) await tab.store.import(file).then(() => imported++, (error) => (error as { code?: string }).code === 'WRITES_WAIT' || ignoreKilled(error, wrong));
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
  let truth: Record<string, Value> = {};
  for (let round = 0; round < rounds; round++) {
    truth = await stateOf(server.url, send);
    wrong.splice(0, wrong.length, ...wrong.filter((each) => !each.startsWith('in the end')));
    for (const { device, number, life, store: opened } of tabs) {
      if (life.dead) opened.close();
      const { store } = life.dead ? (tabs[number] = await open(device, number)) : tabs[number]!;
      store.refresh();
      for (const { seq, code } of await store.refused().catch(() => [])) {
        if (code !== 'ERASED' || troubles.erase < 0) wrong.push(`tab ${number} has something set aside as ${code}`);
        await store.drop(seq).catch((error) => ignoreKilled(error, wrong));
      }
      const mirror = Object.fromEntries(((await store.list().catch(() => [])) as { id: string; value: Value }[]).map(({ id, value }) => [id, value]));
      if (sorted(mirror) !== sorted(truth)) wrong.push(`in the end tab ${number} has ${sorted(mirror)}, the server ${sorted(truth)}`);
      if (!(await store.isUploaded().catch(() => false))) wrong.push(`in the end tab ${number} has not uploaded everything`);
    }
    if (!wrong.some((each) => each.startsWith('in the end'))) break;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  for (const [field, n] of kept) {
    const there = truth[field[0]!]?.[field] ?? 0;
    const aside = handed.get(field) ?? 0;
    if (Math.max(there, aside) < n) wrong.push(`field ${field} was written as ${n}, and is ${there}, set aside ${aside}`);
  }
  for (const device of devices) device.close();
  return { wrong, operations, killed, imported, handedBack };
}

const ERASE = 'mutation ($input: EraseAccountInput!) { eraseAccount(input: $input) { erasedRecords } }';

/** At which steps of a round all is erased, and the server is backed up and restored; -1: never. */
function troublesOf(seed: number, steps: number, roll: (below: number) => number) {
  const erase = seed % 3 === 1 ? roll(steps) : -1;
  if (seed % 4 !== 2) return { erase, backup: -1, restore: -1 };
  const backup = roll(steps / 2);
  return { erase, backup, restore: backup + 1 + roll(steps / 2) };
}

/** Brings the server back to a backup. For the rest of a second it refuses requests, as after any start. */
async function restore(server: Server, backup: string): Promise<void> {
  await server.kill();
  server.restore(backup);
  await server.start();
  const second = Math.floor(Date.now() / 1000);
  await until(() => Math.floor(Date.now() / 1000) > second);
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
