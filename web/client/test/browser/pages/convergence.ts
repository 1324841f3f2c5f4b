import { Identity, Session } from '@syncline/client';
import { createSocket } from '@syncline/client/graphql-ws';
import { openStore } from '@syncline/client/store';
import type { Store } from '@syncline/client/store';

/**
 * What records hold. A record that all tabs write has for each of them the number of its last write there. Each write
 * has, in the same batch, a log of its own, `log/<tab>-<number>`: the records that it wrote, with that number.
 */
export type Value = Record<string, number>;

/** What a tab tells the test of, as soon as it is on disk. */
export type Report = { wrote: number; ids: string[] } | { deleted: string } | { half: string };

/** Which tab it is, and what it writes. */
export interface Role {
  name: string;
  /** Its numbers are above this one. */
  after: number;
  ids: string[];
}

let store: Store<Value>;
let role: Role;
let count = 0;
let seen: Record<string, Value> = {};
/** Records that are shown as they were written here, without what came from elsewhere: that is merged later. */
let pending = new Set<string>();
let rests = true;
let over: Promise<void> = Promise.resolve();

/** Writes of one tab until it is opened again: all that a round writes is to fit into a page of changes, which shows no half of a batch. */
const MOST = 40;

const chance = (one: number) => Math.random() * one < 1;

async function write(): Promise<void> {
  const { name, ids } = role;
  const number = role.after + ++count;
  const chosen = ids.filter(() => chance(2));
  await store.batch((batch) => {
    for (const id of chosen) batch.update(id, (value) => ({ ...value, [name]: number }));
    batch.put(`log/${name}-${number}`, Object.fromEntries(chosen.map((id) => [id, number])));
  });
  await tell({ wrote: number, ids: chosen });
}

/** Deletes a log of this tab whose number can be divided by three. */
async function remove(): Promise<void> {
  const mine = Object.keys(seen).filter((id) => id.startsWith(`log/${role.name}-`) && Number(id.split('-')[1]) % 3 === 0);
  const id = mine[Math.floor(Math.random() * mine.length)];
  if (!id) return;
  await store.delete(id);
  await tell({ deleted: id });
}

async function work(): Promise<void> {
  while (!rests) {
    if (count < MOST && chance(8)) await Promise.all([write(), write(), write(), write()]);
    else if (count < MOST && !chance(3)) await write();
    else if (chance(2)) await remove();
    else if (chance(8)) await store.put('x', { number: Math.random() });
    else if (chance(8)) await store.delete('x');
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 60));
  }
}

/** The log of a write that is shown without the rest of its batch. */
function half(): string | undefined {
  return Object.keys(seen).find((log) => {
    const name = /^log\/(.+)-/.exec(log)?.[1];
    return name && Object.entries(seen[log]!).some(([id, number]) => !pending.has(id) && (seen[id]?.[name] ?? 0) < number);
  });
}

const page = {
  /** Opens the store of a user whose key is given, and resolves once its records are shown. */
  async open(url: string, key: string, as: Role): Promise<void> {
    role = as;
    const session = new Session({ url, identity: Identity.fromHex(key) });
    store = await openStore<Value>(session, { live: createSocket(session), pollSeconds: 1 });
    await new Promise<void>((shown) => {
      store.watch({}, (records) => {
        seen = Object.fromEntries(records.map(({ id, value }) => [id, value!]));
        pending = new Set(records.flatMap((record) => (record.pending ? [record.id] : [])));
        const log = half();
        if (log) void tell({ half: log });
        shown();
      });
    });
  },

  /** Begins to write and delete, and goes on until it is told to rest. */
  work(): void {
    rests = false;
    over = work();
  },

  /** Resolves when nothing is under way any more. */
  async rest(): Promise<void> {
    rests = true;
    await over;
  },

  /** What the tab shows, what its database has, and how its store is. */
  async state() {
    const listed = Object.fromEntries((await store.list()).map(({ id, value }) => [id, value!]));
    const { evicted, error } = store.status;
    return { seen, listed, isUploaded: await store.isUploaded(), evicted: evicted !== undefined, error: error?.code };
  },

  refresh: () => store.refresh(),

  /** Gives up what is set aside, and answers it. */
  async takeAside() {
    const aside = await store.refused();
    for (const { seq } of aside) await store.drop(seq);
    return aside.map(({ code, writes }) => ({ code, writes: writes.map(({ id, value }) => ({ id, value: value ?? null })) }));
  },
};

declare global {
  var converging: typeof page;
  /** The test's own. */
  function tell(report: Report): Promise<void>;
}
globalThis.converging = page;
