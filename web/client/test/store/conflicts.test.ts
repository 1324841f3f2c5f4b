import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import type { Codec, Conflict, LeftOut, StoreOptions } from '@syncline/client/store';
import { Server } from 'syncline-testing';

import { devices, when } from './devices.js';
import { Network } from './network.js';

let server: Server;
before(async () => (server = await Server.start()));
after(() => server.stop());

type Value = Record<string, unknown>;

/** Two devices that have the same record, of which the second is offline. */
async function two<T = Value>(options: StoreOptions<T>, values: Record<string, T>) {
  const [one, other] = devices(server, 2);
  const network = new Network();
  const theirs = await one!.tab<T>(options);
  for (const [id, value] of Object.entries(values)) await theirs.put(id, value);
  await when(theirs, ({ uploaded, connection }) => uploaded && connection === 'live');
  const mine = await other!.tab<T>({ ...options, fetch: network.fetch });
  await when(mine, ({ connection }) => connection === 'live');
  network.down = true;
  const meet = async () => {
    network.down = false;
    mine.refresh();
    await when(mine, ({ pending, connection }) => pending.count === 0 && connection === 'live');
    theirs.refresh();
    await when(theirs, ({ connection }) => connection === 'syncing' || connection === 'connecting');
    await when(theirs, ({ connection }) => connection === 'live');
  };
  const close = () => [one, other].forEach((each) => each!.close());
  const both = async (id: string) => [(await mine.get(id))?.value, (await theirs.get(id))?.value];
  return { mine, theirs, meet, both, network, close };
}

test('fields: both sides keep what they changed, and of one field that both changed the later device wins', async () => {
  const left: LeftOut[] = [];
  const { mine, theirs, meet, both, network, close } = await two<Value>({ onConflict: (each) => left.push(each) }, { a: { title: 'old', n: 1, gone: 1, nested: { x: 1 } } });
  await theirs.put('a', { title: 'theirs', n: 2, gone: 1, nested: { x: 1 } }).synced;
  await mine.put('a', { title: 'mine', n: 1, nested: { x: 1 }, added: [1] });
  await meet();
  const merged = { title: 'mine', n: 2, nested: { x: 1 }, added: [1] };
  assert.deepEqual(await both('a'), [merged, merged]);
  assert.deepEqual(left, [{ id: 'a', field: 'title', kept: 'mine', left: 'theirs' }]);
  assert.ok(network.writes.length <= 2);
  close();
});

test('fields: bytes and values of a codec are kept whole, and none is taken for equal to another', async () => {
  const bytes = await two<Uint8Array>({ codec: 'bytes' }, { a: Uint8Array.of(1, 2) });
  await bytes.theirs.put('a', Uint8Array.of(1, 3, 5)).synced;
  await bytes.mine.put('a', Uint8Array.of(4, 2));
  await bytes.meet();
  assert.deepEqual(await bytes.both('a'), [Uint8Array.of(4, 2), Uint8Array.of(4, 2)]);
  bytes.close();

  const codec: Codec<{ at: Date; tags: Set<string> }> = {
    encode: ({ at, tags }) => new TextEncoder().encode(JSON.stringify([at.getTime(), ...tags])),
    decode: (data) => {
      const [time, ...tags] = JSON.parse(new TextDecoder().decode(data)) as [number, ...string[]];
      return { at: new Date(time), tags: new Set(tags) };
    },
  };
  const left: LeftOut[] = [];
  const dated = await two({ codec, onConflict: (each) => left.push(each) }, { a: { at: new Date(0), tags: new Set(['x']) } });
  await dated.theirs.put('a', { at: new Date(0), tags: new Set(['theirs']) }).synced;
  await dated.mine.put('a', { at: new Date(1), tags: new Set(['mine']) });
  await dated.meet();
  const merged = { at: new Date(1), tags: new Set(['mine']) };
  assert.deepEqual(await dated.both('a'), [merged, merged]);
  assert.deepEqual(left.map(({ field, left: other }) => [field, other]), [['tags', new Set(['theirs'])]]);
  dated.close();
});

test('fields: a change wins over a deletion, whichever comes later', async () => {
  const { mine, theirs, meet, both, close } = await two<Value>({}, { a: { n: 1 }, b: { n: 1 }, c: { n: 1 } });
  await theirs.delete('a').synced;
  await mine.update('a', () => ({ n: 2 }));
  await theirs.update('b', () => ({ n: 2 })).synced;
  await mine.delete('b');
  await theirs.delete('c').synced;
  await mine.delete('c');
  await meet();
  assert.deepEqual(await both('a'), [{ n: 2 }, { n: 2 }]);
  assert.deepEqual(await both('b'), [{ n: 2 }, { n: 2 }]);
  assert.deepEqual(await both('c'), [undefined, undefined]);
  close();
});

test('records that two devices created under one id are merged, and equal ones are no conflict', async () => {
  const left: LeftOut[] = [];
  const { mine, theirs, meet, both, network, close } = await two<Value>({ onConflict: (each) => left.push(each) }, {});
  await theirs.put('a', { from: 'theirs', x: 1 }).synced;
  await mine.put('a', { from: 'mine', y: 1 });
  await theirs.put('b', { same: 1, order: 2 }).synced;
  await mine.put('b', { same: 1, order: 2 });
  await meet();
  assert.deepEqual(await both('a'), [{ from: 'mine', x: 1, y: 1 }, { from: 'mine', x: 1, y: 1 }]);
  assert.deepEqual(left.map(({ id, field }) => [id, field]), [['a', 'from']]);
  assert.deepEqual(network.batches.at(-1), ['a']);
  close();
});

test('2,000 edits offline against one elsewhere are one merge and one write', async () => {
  let merges = 0;
  const merge = ({ mine, theirs }: Conflict<number>) => (merges++, mine! + theirs!);
  const { mine, theirs, meet, both, network, close } = await two<number>({ merge }, { a: 0 });
  await theirs.put('a', 5000).synced;
  for (let n = 1; n <= 2000; n++) await mine.put('a', n);
  await meet();
  assert.deepEqual(await both('a'), [7000, 7000]);
  assert.equal(merges, 1);
  assert.equal((await mine.get('a'))?.revision, 3); // the first, theirs, and one
  assert.ok(network.writes.length <= 2);
  close();
});

test('mine, theirs and functions, by the beginning of the id', async () => {
  const merge = { 'm/': 'mine', 't/': 'theirs', 'm/f/': ({ base, mine, theirs }: Conflict<Value>) => ({ base, mine, theirs }) as Value } as const;
  const { mine, theirs, meet, both, close } = await two<Value>({ merge }, { 'm/a': { n: 0 }, 't/a': { n: 0 }, 'm/f/a': { n: 0 }, f: { n: 0 } });
  for (const id of ['m/a', 't/a', 'm/f/a', 'f']) {
    await theirs.put(id, { n: 1, theirs: 1 }).synced;
    await mine.put(id, { n: 2, mine: 1 });
  }
  await meet();
  assert.deepEqual(await both('m/a'), [{ n: 2, mine: 1 }, { n: 2, mine: 1 }]);
  assert.deepEqual(await both('t/a'), [{ n: 1, theirs: 1 }, { n: 1, theirs: 1 }]);
  assert.deepEqual((await both('m/f/a'))[1], { base: { n: 0 }, mine: { n: 2, mine: 1 }, theirs: { n: 1, theirs: 1 } });
  assert.deepEqual(await both('f'), [{ n: 2, mine: 1, theirs: 1 }, { n: 2, mine: 1, theirs: 1 }]);
  close();
});

test('a person may be asked: all else goes on meanwhile, and what is written meanwhile is asked about anew', async () => {
  const asked: { conflict: Conflict<Value>; answer: (value: Value) => void }[] = [];
  const waiting: (() => void)[] = [];
  const merge = (conflict: Conflict<Value>) =>
    new Promise<Value>((answer) => {
      asked.push({ conflict, answer });
      waiting.shift()?.();
    });
  const question = () => new Promise<void>((resolve) => waiting.push(resolve));
  const { mine, theirs, both, network, close } = await two<Value>({ merge }, { a: { n: 0 } });
  await theirs.put('a', { n: 1 }).synced;
  await mine.put('a', { n: 2 });
  const first = question();
  network.down = false;
  mine.refresh();
  await first;
  await mine.put('b', { other: 1 }).synced;
  await mine.put('a', { n: 3 });
  const second = question();
  asked[0]!.answer({ n: -1 });
  await second;
  assert.deepEqual(asked[1]!.conflict, { id: 'a', base: { n: 0 }, mine: { n: 3 }, theirs: { n: 1 } });
  asked[1]!.answer({ n: 4 });
  await when(mine, ({ uploaded }) => uploaded);
  assert.deepEqual((await both('a'))[0], { n: 4 });
  close();
});

test('a merge that fails sets the write aside, and nothing is lost', async () => {
  const merge = () => {
    throw new Error('no idea');
  };
  const { mine, theirs, meet, both, close } = await two<Value>({ merge }, { a: { n: 0 } });
  await theirs.put('a', { n: 1 }).synced;
  await mine.put('a', { n: 2 });
  await meet();
  const [aside] = await mine.refused();
  assert.deepEqual([aside?.code, aside?.writes], ['MERGE_FAILED', [{ id: 'a', value: { n: 2 } }]]);
  assert.match(aside!.message, /no idea/);
  await mine.drop(aside!.seq);
  assert.deepEqual(await both('a'), [{ n: 1 }, { n: 1 }]);
  close();
});

test('a conflict while another write of the record is on its way keeps the changes of both', async () => {
  const { mine, theirs, meet, both, network, close } = await two<Value>({}, { a: { n: 0 } });
  await mine.put('a', { n: 0, first: 1 });
  await mine.batch((batch) => {
    batch.put('a', { n: 0, first: 1, second: 1 });
    batch.put('b', { n: 1 });
  });
  await theirs.put('a', { n: 0, theirs: 1 }).synced;
  await meet();
  const merged = { n: 0, first: 1, second: 1, theirs: 1 };
  assert.deepEqual(await both('a'), [merged, merged]);
  assert.ok(network.writes.length < 6);
  close();
});
