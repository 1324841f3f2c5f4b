import { openDB } from 'idb';
import PouchDB from 'pouchdb-browser';
import { createRxDatabase } from 'rxdb';
import { replicateRxCollection } from 'rxdb/plugins/replication';
import { getRxStorageDexie } from 'rxdb/plugins/storage-dexie';
import { getRxStorageMemory } from 'rxdb/plugins/storage-memory';

import { createSocket } from '../client/dist/graphql-ws.js';
import { Identity, Session } from '../client/dist/index.js';
import { memoryStorage, openStore } from '../client/dist/store/index.js';

/** So many items of the first list are drawn. */
const DRAWN = 100;

const json = async (response) => (await response).json();
const post = (url, body) => fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
const itemsOf = (records) => records.map(({ id, text }) => [id, text]);

/** When something is on the screen. */
function drawn(items) {
  const list = document.createElement('ul');
  for (const [id, text] of items.slice(0, DRAWN)) list.append(Object.assign(document.createElement('li'), { textContent: `${id} ${text}` }));
  document.body.replaceChildren(list);
  return new Promise((resolve) =>
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => resolve();
      port2.postMessage(null);
    }),
  );
}

const once = (store, holds) =>
  new Promise((resolve) => {
    const look = (status) => holds(status) && (stop(), resolve());
    const stop = store.onStatus(look);
    look(store.status);
  });

/** Syncline's store as an app opens it. */
async function storeOf({ url, key }, options = {}) {
  const session = new Session({ url, identity: Identity.fromHex(key) });
  return openStore(session, { persist: false, live: createSocket(session), ...options });
}

async function collectionOf(storage) {
  const database = await createRxDatabase({ name: 'bench', storage, multiInstance: false });
  const schema = {
    version: 0,
    primaryKey: 'id',
    type: 'object',
    properties: { id: { type: 'string', maxLength: 64 }, text: { type: 'string' } },
    required: ['id', 'text'],
  };
  return (await database.addCollections({ records: { schema } })).records;
}

async function replicate(collection, directions) {
  const replication = replicateRxCollection({ collection, replicationIdentifier: 'bench', live: false, retryTime: 100, ...directions });
  replication.error$.subscribe((error) => console.error(error));
  await replication.awaitInitialReplication();
}

const plain = () => openDB('bench', 1, { upgrade: (database) => void database.createObjectStore('records', { keyPath: 'id' }) });

/** Fills a plain database by pages, each in one transaction. */
async function fill(database, pageAt, put) {
  for (let count = 0, page; (page = await pageAt(count)).length > 0; count += page.length) {
    const transaction = database.transaction('records', 'readwrite');
    for (const record of page) put(transaction.store, record);
    await transaction.done;
  }
}

/**
 * What each subject does for a task. A task prepares, and answers what is measured, which answers a number of
 * milliseconds, or nothing where it is the time that it takes.
 */
const subjects = {
  Syncline: {
    coldSync: (setup) => async () => once(await storeOf(setup), ({ complete }) => complete),
    coldSyncWatched: (setup) => async () => {
      const store = await storeOf(setup);
      let count = 0;
      store.watch({}, (records) => void (count = records.length));
      await once(store, ({ complete }) => complete);
      if (count !== setup.count) throw new Error(`${count} are shown`);
    },
    firstList: (setup) => async () => {
      const store = await storeOf(setup);
      const records = await new Promise((resolve) => store.watch({}, resolve));
      if (records.length !== setup.count) throw new Error(`${records.length} are there`);
      await drawn(records.map(({ id, value }) => [id, value.text]));
    },
    watchWrites: async (setup) => {
      const store = await storeOf(setup, { storage: memoryStorage(), live: undefined, fetch: () => Promise.reject(new TypeError('offline')) });
      return (n) =>
        new Promise((resolve) => {
          const stop = store.watch('record', ([record]) => record?.value.n === n && (stop(), resolve(performance.now() - begun)));
          let begun = 0;
          setTimeout(() => {
            begun = performance.now();
            void store.put('record', { n });
          });
        });
    },
    durableWrites: async (setup) => {
      const store = await storeOf(setup, { live: undefined, fetch: () => Promise.reject(new TypeError('offline')) });
      return (n) => store.put(`record-${n}`, { text: setup.text });
    },
    sendsOffline: async (setup) => {
      let online = false;
      const store = await storeOf(setup, { fetch: (...args) => (online ? fetch(...args) : Promise.reject(new TypeError('offline'))) });
      await Promise.all(Array.from({ length: setup.count }, (_, n) => store.put(`record-${n}`, { text: setup.text })));
      return () => {
        online = true;
        store.refresh();
        return once(store, ({ uploaded }) => uploaded);
      };
    },
  },
  'RxDB with Dexie': {
    coldSync: ({ peers, count }) => async () => {
      const collection = await collectionOf(getRxStorageDexie());
      await replicate(collection, {
        pull: {
          batchSize: 1000,
          handler: async (checkpoint) => {
            const after = checkpoint?.after ?? 0;
            const page = await json(fetch(`${peers}/pages/${count}?after=${after}`));
            return { documents: page.map((record) => ({ ...record, _deleted: false })), checkpoint: { after: after + page.length } };
          },
        },
      });
    },
    firstList: ({ count }) => async () => {
      const collection = await collectionOf(getRxStorageDexie());
      const documents = await collection.find({ sort: [{ id: 'asc' }] }).exec();
      if (documents.length !== count) throw new Error(`${documents.length} are there`);
      await drawn(itemsOf(documents));
    },
    watchWrites: async () => {
      const collection = await collectionOf(getRxStorageMemory());
      return (n) =>
        new Promise((resolve) => {
          let begun = 0;
          const watch = collection.findOne('record').$.subscribe((document) => document?.text === String(n) && (resolve(performance.now() - begun), setTimeout(() => watch.unsubscribe())));
          setTimeout(() => {
            begun = performance.now();
            void collection.upsert({ id: 'record', text: String(n) });
          });
        });
    },
    durableWrites: async ({ text }) => {
      const collection = await collectionOf(getRxStorageDexie());
      return (n) => collection.insert({ id: `record-${n}`, text });
    },
    sendsOffline: async ({ peers, count, text }) => {
      const collection = await collectionOf(getRxStorageDexie());
      await Promise.all(Array.from({ length: count }, (_, n) => collection.insert({ id: `record-${n}`, text })));
      return () => replicate(collection, { push: { batchSize: 100, handler: (rows) => json(post(`${peers}/push`, rows)) } });
    },
  },
  PouchDB: {
    coldSync: ({ peers, count }) => () => PouchDB.replicate(`${peers}/couch/${count}`, 'bench', { batch_size: 1000 }),
    firstList: ({ count }) => async () => {
      const { rows } = await new PouchDB('bench').allDocs({ include_docs: true });
      if (rows.length !== count) throw new Error(`${rows.length} are there`);
      await drawn(rows.map(({ id, doc }) => [id, doc.text]));
    },
    durableWrites: async ({ text }) => {
      const database = new PouchDB('bench');
      return (n) => database.put({ _id: `record-${n}`, text });
    },
    sendsOffline: async ({ peers, count, text }) => {
      const database = new PouchDB('bench');
      for (let n = 0; n < count; n++) await database.put({ _id: `record-${n}`, text });
      return () => PouchDB.replicate(database, `${peers}/couch/0`, { batch_size: 100 });
    },
  },
  idb: {
    coldSync: ({ peers, count }) => async () => {
      const database = await plain();
      await fill(database, (after) => json(fetch(`${peers}/pages/${count}?after=${after}`)), (store, record) => store.put(record));
    },
    firstList: ({ count }) => async () => {
      const records = await (await plain()).getAll('records');
      if (records.length !== count) throw new Error(`${records.length} are there`);
      await drawn(itemsOf(records));
    },
    durableWrites: async ({ text }) => {
      const database = await plain();
      return async (n) => {
        const transaction = database.transaction('records', 'readwrite', { durability: 'strict' });
        transaction.store.put({ id: `record-${n}`, text });
        await transaction.done;
      };
    },
  },
  'idb, relaxed': {
    durableWrites: async ({ text }) => {
      const database = await plain();
      return (n) => database.put('records', { id: `record-${n}`, text });
    },
  },
  'rows alone': {
    /** What the store writes, with nothing else around it. */
    coldSync: async ({ count, data }) => {
      const database = await openDB('bench', 1, { upgrade: (opened) => void opened.createObjectStore('records') });
      const ids = Array.from({ length: count }, (_, n) => idOf(n));
      const server = { data, schemaVersion: '', updatedAt: new Date().toISOString() };
      return () =>
        fill(
          database,
          async (after) => ids.slice(after, after + 1000).map((id, i) => ({ id, server: { ...server, revision: after + i + 1 }, writes: [] })),
          (store, row) => store.put(row, row.id),
        );
    },
  },
};

/** As bench.js has it. */
function idOf(n) {
  return `record-${String(n).padStart(6, '0')}`;
}

/** The longest task that is told of while something runs, which browsers do of those over 50 ms; 0: there was none. */
async function measured(work) {
  let longest = 0;
  const note = (list) => list.getEntries().forEach(({ duration }) => (longest = Math.max(longest, duration)));
  const observer = new PerformanceObserver(note);
  observer.observe({ type: 'longtask' });
  const begun = performance.now();
  await work();
  const milliseconds = performance.now() - begun;
  await new Promise((resolve) => setTimeout(resolve, 200)); // they are told of later
  note({ getEntries: () => observer.takeRecords() });
  observer.disconnect();
  return { milliseconds, longest };
}

globalThis.bench = {
  /** Has a subject do a task once. */
  async once(subject, task, setup) {
    return measured(await subjects[subject][task](setup));
  },

  /** Has it do so again and again; answers milliseconds of each. */
  async many(subject, task, setup, times) {
    const work = await subjects[subject][task](setup);
    const all = [];
    for (let n = 0; n < times; n++) {
      const begun = performance.now();
      const said = await work(n);
      all.push(typeof said === 'number' ? said : performance.now() - begun);
    }
    return all;
  },
};
