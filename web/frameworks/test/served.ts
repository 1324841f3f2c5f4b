import { Site } from 'syncline-testing';
import { build } from 'vite';
import type { PluginOption } from 'vite';

const TYPES: Readonly<Record<string, string>> = { html: 'text/html', js: 'text/javascript', css: 'text/css' };

/** The page of an app in a directory, built by Vite as for its users, on an origin of its own. */
export async function serveBuilt(directory: string, plugins: PluginOption[]): Promise<Site> {
  const built = await build({ root: directory, configFile: false, logLevel: 'warn', plugins, build: { write: false, target: 'es2022', minify: false } });
  const { output } = built as Exclude<typeof built, { close(): unknown } | readonly unknown[]>;
  const files = output.map((file) => {
    const body = file.type === 'chunk' ? file.code : String(file.source);
    return [file.fileName === 'index.html' ? '/' : `/${file.fileName}`, { type: TYPES[file.fileName.split('.').at(-1)!] ?? 'text/plain', body }] as const;
  });
  return Site.start(Object.fromEntries(files));
}

/** A page that runs `main.ts`. */
export const INDEX = '<!doctype html><title>An app</title><link rel="icon" href="data:,"><div id="app"></div><script type="module" src="/main.ts"></script>';

/**
 * Stores of two users, and what pages of all frameworks do with them; `controls` has the store and the id of the record
 * that are shown, and `frames` each thing that was rendered, with the user whose store it was.
 */
export const STORES = `
import { Identity, Session } from '@syncline/client';
import { memoryStorage, openStore } from '@syncline/client/store';

const session = () => new Session({ url: 'http://localhost:8080/graphql', identity: Identity.create() });
let broken = false;
const inner = memoryStorage();
const storage = { transact: (mode, work) => (broken ? Promise.reject(new Error('broken')) : inner.transact(mode, work)), close() {} };
export const stores = {
  one: await openStore(session(), { storage: memoryStorage() }),
  two: await openStore(session(), { storage: memoryStorage() }),
  broken: await openStore(session(), { storage }),
};
broken = true;
for (const name of ['one', 'two']) {
  await stores[name].put('a', 'a of ' + name);
  await stores[name].put('b', 'b of ' + name).synced;
}

let watching = 0;
for (const store of Object.values(stores)) {
  for (const method of ['watch', 'onStatus']) {
    const begin = store[method].bind(store);
    store[method] = (...args) => {
      const stop = begin(...args);
      watching++;
      return () => {
        watching--;
        stop();
      };
    };
  }
}

const frames = [];
export function frame(store, id, list, record, status) {
  const name = Object.keys(stores).find((each) => stores[each] === store) ?? 'none';
  const text = [name, id, list ? list.map(({ value }) => value).join() || 'empty' : 'unread', record === undefined ? 'unread' : (record?.value ?? 'absent'), status.uploaded].join(' | ');
  frames.push(text);
  return text;
}

export const page = (controls, unmount) => (globalThis.app = {
  show(name) { controls.store = stores[name]; },
  ask(id) { controls.id = id; },
  put: (name, id, value) => stores[name].put(id, value),
  remove: (name, id) => stores[name].delete(id),
  unmount,
  frames,
  failures: [],
  watching: () => watching,
});
`;

/** What {@link STORES} gives the page. */
export interface App {
  show(name: string): void;
  ask(id: string): void;
  put(name: string, id: string, value: string): Promise<void>;
  remove(name: string, id: string): Promise<void>;
  unmount(): void;
  frames: string[];
  failures: string[];
  watching(): number;
}

declare global {
  var app: App;
}
