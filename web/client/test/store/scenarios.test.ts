import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Identity, Session, signedFetch } from '@syncline/client';
import type { Store } from '@syncline/client/store';
import { Server, until } from 'syncline-testing';

import { call } from '../call.js';
import { Device, when } from './devices.js';
import { Network } from './network.js';

type Value = Record<string, unknown>;

interface Expectation {
  device?: string;
  records?: Record<string, Value>;
  pending?: number;
  refused?: string[];
  server?: Record<string, Value>;
  writes?: number;
}

interface Step {
  put?: { device: string; id: string; value: Value };
  delete?: { device: string; id: string };
  batch?: { device: string; values: Record<string, Value> };
  sync?: string;
  lose?: string;
  crash?: string;
  erase?: true;
  backup?: true;
  restore?: true;
  expect?: Expectation;
}

const folder = fileURLToPath(new URL('../../../../../testdata/scenarios/', import.meta.url));

let server: Server;
before(async () => (server = await Server.start()));
after(() => server.stop());

/** A device of a scenario: offline, unless a step says otherwise. */
class Actor {
  private constructor(
    private readonly device: Device,
    private readonly network: Network,
    public store: Store<Value>,
  ) {}

  static async start(identity: Identity): Promise<Actor> {
    const network = new Network();
    network.down = true;
    const device = new Device(identity, server.url);
    return new Actor(device, network, await device.tab<Value>({ fetch: network.fetch }));
  }

  async sync(): Promise<void> {
    this.network.down = false;
    this.store.close();
    this.store = await this.#open();
    await when(this.store, ({ connection, pending }) => connection === 'live' && pending.count === 0);
    this.network.down = true;
  }

  async lose(): Promise<void> {
    Object.assign(this.network, { lost: 1, down: false });
    this.store.refresh();
    await until(() => this.network.down);
  }

  async crash(): Promise<void> {
    this.store.close();
    this.store = await this.#open();
  }

  close(): void {
    this.device.close();
  }

  #open(): Promise<Store<Value>> {
    return this.device.tab<Value>({ fetch: this.network.fetch });
  }
}

async function run(steps: Step[]): Promise<void> {
  const identity = Identity.create();
  const actors = new Map<string, Actor>();
  const actor = async (name: string) => {
    if (!actors.has(name)) actors.set(name, await Actor.start(identity));
    return actors.get(name)!;
  };
  const ask = <T>(query: string, variables = {}) => call<T>(server.url, signedFetch(new Session({ url: server.url, identity })), query, variables);
  let copy = '';
  for (const [at, step] of steps.entries()) {
    const { put, delete: deleted, batch, sync, lose, crash, expect } = step;
    if (put) await (await actor(put.device)).store.put(put.id, written(put.value));
    else if (deleted) await (await actor(deleted.device)).store.delete(deleted.id);
    else if (batch) await (await actor(batch.device)).store.batch((all) => Object.entries(batch.values).forEach(([id, value]) => all.put(id, value)));
    else if (sync) await (await actor(sync)).sync();
    else if (lose) await (await actor(lose)).lose();
    else if (crash) await (await actor(crash)).crash();
    else if (step.erase) await ask('mutation ($input: EraseAccountInput!) { eraseAccount(input: $input) { erasedRecords } }', { input: { owner: identity.publicKey } });
    else if (step.backup) copy = server.backup();
    else if (step.restore) {
      await server.kill();
      server.restore(copy);
      await server.start();
    } else if (expect) await check(expect, `step ${at + 1}`);
    else assert.fail(`step ${at + 1} is none`);
  }
  for (const each of actors.values()) each.close();

  async function check({ device, records, pending, refused, server: there, writes }: Expectation, where: string): Promise<void> {
    if (device) {
      const { store } = await actor(device);
      if (records) assert.deepEqual(Object.fromEntries((await store.list()).map(({ id, value }) => [id, value])), records, where);
      if (pending !== undefined) assert.equal(store.status.pending.count, pending, where);
      if (refused) assert.deepEqual((await store.refused()).map(({ code }) => code), refused, where);
      return;
    }
    const { viewer, changes } = await ask<{ viewer: { head: number }; changes: { records: { id: string; data: string | null }[] } }>('{ viewer { head } changes { records { id data } } }');
    const live = changes.records.filter(({ data }) => data !== null).map(({ id, data }) => [id, JSON.parse(atob(data!)) as Value]);
    if (there) assert.deepEqual(Object.fromEntries(live), there, where);
    if (writes !== undefined) assert.equal(viewer.head, writes, where);
  }
}

function written(value: Value): Value {
  return typeof value['repeat'] === 'number' ? { text: 'x'.repeat(value['repeat']) } : value;
}

for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
  const { name, steps } = JSON.parse(readFileSync(`${folder}${file}`, 'utf8')) as { name: string; steps: Step[] };
  test(`${file}: ${name}`, () => run(steps));
}
