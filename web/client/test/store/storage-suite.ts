import type { Storage } from '@syncline/client/store';

/** What any storage of a store does, as checks that run in Node.js and in pages. `reopen` is another tab with the same database. */
export const storageSuite: Record<string, (open: () => Storage) => Promise<unknown>> = {
  async 'what a transaction put is there for the next, and for another tab'(open) {
    const [here, there] = [open(), open()];
    await here.transact('durable', async (t) => t.put('records', 'a', { n: 1 }));
    equal(await there.transact('read', (t) => t.get('records', 'a')), { n: 1 });
    await there.transact('write', async (t) => t.delete('records', 'a'));
    equal(await here.transact('read', (t) => t.get('records', 'a')), undefined);
  },
  async 'a transaction sees what it put itself'(open) {
    const seen = await open().transact('write', async (t) => {
      t.put('writes', 2, 'two');
      t.put('writes', 1, 'one');
      t.put('writes', 1, 'won');
      t.delete('writes', 2);
      t.delete('writes', 7);
      return [await t.get('writes', 1), await t.list('writes')];
    });
    equal(seen, ['won', ['won']]);
  },
  async 'work that fails leaves nothing, and its error is told as it is'(open) {
    const storage = open();
    await storage.transact('write', async (t) => t.put('records', 'kept', 1));
    const failure = new Error('of the app');
    const failed = storage.transact('write', async (t) => {
      t.put('records', 'new', 1);
      t.put('records', 'kept', 2);
      t.put('meta', 'x', 3);
      t.delete('records', 'kept');
      await t.get('records', 'new');
      throw failure;
    });
    equal(await failed.catch((error: unknown) => error === failure), true);
    equal(await storage.transact('read', async (t) => [await t.list('records'), await t.list('meta')]), [[1], []]);
  },
  async 'a value that is changed after it was put is not changed in the storage'(open) {
    const storage = open();
    const value = { list: [1] };
    await storage.transact('write', async (t) => t.put('records', 'a', value));
    value.list.push(2);
    equal(await storage.transact('read', (t) => t.get('records', 'a')), { list: [1] });
  },
  async 'a transaction that reads cannot write'(open) {
    const storage = open();
    const refused = await storage.transact('read', async (t) => t.put('records', 'a', 1)).then(() => false, () => true);
    equal([refused, await storage.transact('read', (t) => t.list('records'))], [true, []]);
  },
  async 'ranges are those of their bounds, in order'(open) {
    const storage = open();
    const keys = ['', 'a', 'a/', 'a/b', 'a0', 'b', 'é', '\uffff', '\uffffx'];
    await storage.transact('write', async (t) => [...keys].reverse().forEach((key) => t.put('records', key, key)));
    const list = (range: Parameters<Parameters<Parameters<Storage['transact']>[1]>[0]['list']>[1]) => storage.transact('read', (t) => t.list('records', range));
    equal(await list({}), keys);
    equal(await list({ from: 'a/' }), keys.slice(2));
    equal(await list({ above: 'a/' }), keys.slice(3));
    equal(await list({ below: 'a/' }), keys.slice(0, 2));
    equal(await list({ from: 'a', below: 'b', limit: 2 }), ['a', 'a/']);
    equal(await list({ above: 'a', below: 'b' }), ['a/', 'a/b', 'a0']);
    equal(await list({ above: 'b', below: 'a' }), []);
    equal(await list({ from: 'a', below: 'a' }), []);
    equal(await list({ limit: 3 }), keys.slice(0, 3));
    await storage.transact('write', async (t) => [1, 10, 9, 2].forEach((key) => t.put('writes', key, key)));
    equal(await storage.transact('read', (t) => t.list('writes', { above: 1 })), [2, 9, 10]);
  },
  async 'transactions that write run one after another, also those of two tabs'(open) {
    const tabs = [open(), open()];
    const add = (storage: Storage) =>
      storage.transact('write', async (t) => t.put('meta', 'n', (((await t.get('meta', 'n')) as number | undefined) ?? 0) + 1));
    await Promise.all(Array.from({ length: 40 }, (_, i) => add(tabs[i % 2]!)));
    equal(await tabs[0]!.transact('read', (t) => t.get('meta', 'n')), 40);
  },
  async 'a reader never sees half of a transaction'(open) {
    const [writer, reader] = [open(), open()];
    const writes = Array.from({ length: 10 }, (_, n) =>
      writer.transact('write', async (t) => {
        t.put('records', 'a', n);
        await t.get('records', 'a');
        t.put('records', 'b', n);
      }),
    );
    for (let i = 0; i < 10; i++) {
      const [a, b] = await reader.transact('read', (t) => t.list('records'));
      equal(a, b);
    }
    await Promise.all(writes);
  },
};

function equal(got: unknown, expected: unknown): void {
  const [a, b] = [got, expected].map((value) => JSON.stringify(value));
  if (a !== b) throw new Error(`got ${a}, expected ${b}`);
}
