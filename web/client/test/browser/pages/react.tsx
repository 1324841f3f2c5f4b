import { Identity, Session, SynclineError } from '@syncline/client';
import { createSocket } from '@syncline/client/graphql-ws';
import { SyncProvider, useRecord, useRecords, useStore, useSyncStatus } from '@syncline/client/react';
import { memoryStorage, openStore } from '@syncline/client/store';
import type { Storage, Store, StoredRecord } from '@syncline/client/store';
import { Component, StrictMode, startTransition, Suspense, useLayoutEffect, version } from 'react';
import type { ReactNode } from 'react';
import { createRoot, hydrateRoot } from 'react-dom/client';
import { flushSync } from 'react-dom';
import { renderToString } from 'react-dom/server';

/** A store of a new user without a network, and how many of its watches were opened and are open. */
async function offline(storage: Storage = memoryStorage()) {
  const session = new Session({ url: '/graphql', identity: Identity.create() }); // where nobody answers
  const store = await openStore<number>(session, { storage, persist: false });
  const watches = { opened: 0, open: 0 };
  const watch = store.watch.bind(store);
  store.watch = (...args) => {
    watches.opened++;
    watches.open++;
    const stop = watch(...args);
    return () => {
      watches.open--;
      stop();
    };
  };
  return { store, watches };
}

/** A root in the page. */
function mount() {
  const element = document.body.appendChild(document.createElement('div'));
  const root = createRoot(element);
  return { render: (node: ReactNode) => flushSync(() => root.render(node)), root, text: () => element.innerText, unmount: () => flushSync(() => root.unmount()) };
}

const turn = () => new Promise((resolve) => setTimeout(resolve));

async function until(holds: () => boolean): Promise<void> {
  for (const start = performance.now(); !holds(); await turn()) {
    if (performance.now() - start > 60_000) throw new Error(`not within a minute: ${holds}; the page shows ${document.body.innerText}`);
  }
}

const textOf = (records: readonly StoredRecord<number>[] | undefined) => records?.map(({ id, value }) => `${id}=${value}`).join() ?? 'unread';

function List({ prefix = '', seen }: { prefix?: string; seen?: (records: readonly StoredRecord<number>[] | undefined) => void }) {
  const records = useRecords<number>({ prefix });
  seen?.(records);
  return <p>{textOf(records)}</p>;
}

function One({ id }: { id: string }) {
  const record = useRecord<number>(id);
  return <p>{record === null ? 'none' : record ? `one ${record.value}` : 'unread'}</p>;
}

/** Shows the code of what was thrown below it. */
class Boundary extends Component<{ children: ReactNode }, { code?: string }> {
  override state: { code?: string } = {};
  static getDerivedStateFromError = (error: SynclineError) => ({ code: error.code });
  override render = () => (this.state.code ? <p>{`failed ${this.state.code}`}</p> : this.props.children);
}

const page = {
  version,

  /** Two components with the same query, rendered often, in StrictMode; then none. */
  async strict() {
    const { store, watches } = await offline();
    await store.put('a/1', 1);
    const lists = new Set<readonly StoredRecord<number>[] | undefined>();
    const { render, text, unmount } = mount();
    const show = () => render(
      <StrictMode>
        <SyncProvider store={store}>
          <List prefix="a/" seen={(records) => lists.add(records)} />
          <List prefix="a/" />
          <One id="a/1" />
          <One id="a/9" />
        </SyncProvider>
      </StrictMode>,
    );
    show();
    const first = text();
    await until(() => !text().includes('unread'));
    for (let i = 0; i < 5; i++) show();
    await store.put('b/1', 1); // none of them
    await store.put('a/2', 2);
    await until(() => text().includes('a/2'));
    const [, before, after] = lists;
    const shown = text();
    const during = { ...watches };
    unmount();
    await turn();
    store.close();
    return { first, shown, during, after: watches, lists: lists.size, kept: before![0] === after![0] };
  },

  /** A component takes the place of another one that asks for the same, and then one that asks for something else. */
  async succession() {
    const { store, watches } = await offline();
    await store.batch((batch) => ['a', 'b'].forEach((id, i) => batch.put(id, i)));
    const { render, text, unmount } = mount();
    const show = (key: number, prefix: string) => render(<SyncProvider store={store}><List key={key} prefix={prefix} /></SyncProvider>);
    show(1, 'a');
    await until(() => text() === 'a=0');
    show(2, 'a');
    const successor = text();
    show(2, 'b');
    const other = text();
    await until(() => text() === 'b=1');
    const during = { ...watches };
    unmount();
    await turn();
    store.close();
    return { successor, other, during, after: watches };
  },

  /** A write in the middle of a rendering that React does in slices. */
  async concurrent() {
    const { store } = await offline();
    await store.put('a', 1);
    const holder = mount(); // a root of its own: its update does not begin the other's rendering from the start
    holder.render(<SyncProvider store={store}><One id="a" /></SyncProvider>);
    await until(() => holder.text() === 'one 1');

    const rendered: (number | undefined)[] = [];
    const commits: string[] = [];
    let shown: (number | undefined)[] = [];
    let written: Promise<void> | undefined;
    function Slow() {
      const value = useRecord<number>('a')?.value;
      if (commits.length === 0) rendered.push(value);
      written ??= Promise.resolve().then(() => store.put('a', 2));
      for (const start = performance.now(); performance.now() - start < 8; ); // above what React does without a pause
      useLayoutEffect(() => void shown.push(value));
      return null;
    }
    function All() {
      useLayoutEffect(() => {
        commits.push([...new Set(shown)].join());
        shown = [];
      });
      return Array.from({ length: 10 }, (_, i) => <Slow key={i} />);
    }
    const { root, unmount } = mount();
    startTransition(() => root.render(<SyncProvider store={store}><All /></SyncProvider>));
    await until(() => commits.length > 0);
    await written;
    await turn();
    unmount();
    holder.unmount();
    store.close();
    return { rendered: [...new Set(rendered)], commits };
  },

  /** Beside a component that suspends, at first and later. */
  async suspended() {
    const { store, watches } = await offline();
    await store.put('a', 1);
    let waiting: Promise<void> | undefined;
    let go = () => {};
    const wait = () => void (waiting = new Promise((resolve) => (go = () => resolve((waiting = undefined)))));
    function Waits() {
      if (waiting) throw waiting;
      return null;
    }
    const { render, text, unmount } = mount();
    const show = () => render(<SyncProvider store={store}><Suspense fallback={<p>waits</p>}><List /><Waits /></Suspense></SyncProvider>);
    wait();
    show();
    await turn();
    const first = [text(), watches.opened];
    go();
    await until(() => text() === 'a=1');
    wait();
    show();
    const again = [text(), watches.open];
    await store.put('a', 2);
    go();
    await until(() => text() === 'a=2');
    unmount();
    await turn();
    store.close();
    return { first, again, after: watches };
  },

  /** Another user's store takes the place of the first: opened, being opened, opened out of turn, and none. */
  async replaced() {
    const all = await Promise.all([offline(), offline(), offline(), offline()]);
    await Promise.all(all.map(({ store }, i) => store.put('a', i + 1)));
    const [first, second, third, fourth] = all.map(({ store }) => store) as [Store<number>, Store<number>, Store<number>, Store<number>];
    const { render, text, unmount } = mount();
    const shown: string[] = [];
    const look = () => shown.push(text().replaceAll(/\s+/g, ' '));
    const show = async (store: Store<number> | Promise<Store<number>> | undefined, expected: string) => {
      render(<SyncProvider store={store}><List /><One id="a" /></SyncProvider>);
      look(); // at once
      await until(() => text().includes(expected));
    };
    let open = (_: Store<number>) => {};
    const late = new Promise<Store<number>>((resolve) => (open = resolve));
    await show(first, 'one 1');
    await show(Promise.resolve(second), 'one 2');
    first.close();
    await show(late, 'unread');
    await show(Promise.resolve(third), 'one 3');
    open(second);
    await turn();
    look();
    await show(fourth, 'one 4');
    await show(undefined, 'unread');
    unmount();
    await turn();
    for (const store of [second, third, fourth]) store.close();
    return { shown, open: all.map(({ watches }) => watches.open) };
  },

  /** A storage that cannot be read for a while, and a store that cannot be opened. */
  async failing() {
    const below = memoryStorage();
    let broken = false;
    const fail = () => Promise.reject(new SynclineError('STORAGE_CORRUPT', 'it cannot be read'));
    const { store, watches } = await offline({ ...below, transact: (mode, work) => (broken ? fail() : below.transact(mode, work)) });
    await store.put('a', 1);
    const { render, text, unmount } = mount();
    let key = 0;
    const show = (from: Store<number> | Promise<never>) => render(<Boundary key={++key}><SyncProvider store={from}><List /></SyncProvider></Boundary>);
    broken = true;
    show(store);
    await until(() => text() === 'failed STORAGE_CORRUPT');
    await turn();
    const opened = { ...watches };
    broken = false;
    show(store);
    await until(() => text() === 'a=1');
    show(fail());
    await until(() => text() === 'failed STORAGE_CORRUPT');
    unmount();
    await turn();
    store.close();
    return { opened, after: watches };
  },

  /** What a server rendered is taken over, though the store is open by then and others show its records. */
  async hydrated() {
    const { store, watches } = await offline();
    await store.put('a', 1);
    const other = mount();
    other.render(<SyncProvider store={store}><List /></SyncProvider>);
    await until(() => other.text() === 'a=1');
    const troubles: string[] = [];
    const { error: complain } = console;
    console.error = (...about) => void troubles.push(about.join(' ')); // such as that a snapshot differs each time
    const State = () => <p>{useSyncStatus().pending.count}</p>;
    const app = (from?: Store<number>) => <SyncProvider store={from}><List /><One id="a" /><State /></SyncProvider>;
    const element = document.body.appendChild(document.createElement('div'));
    element.innerHTML = renderToString(app());
    const [served] = element.children;
    const root = hydrateRoot(element, app(store), { onRecoverableError: (error) => troubles.push(String(error)) });
    await until(() => /^a=1\s+one 1\s+1$/.test(element.innerText));
    console.error = complain;
    const taken = served === element.children[0];
    root.unmount();
    other.unmount();
    await turn();
    store.close();
    return { taken, troubles, after: watches };
  },

  /** With a server: what a component writes, and what another device writes. */
  async online(url: string) {
    const identity = Identity.create();
    const open = () => {
      const session = new Session({ url, identity });
      return openStore<number>(session, { storage: memoryStorage(), live: createSocket(session), name: String(Math.random()), persist: false });
    };
    const here = open();
    const there = await open();
    const states = new Set<string>();
    function Writes() {
      const { connection, pending, uploaded } = useSyncStatus();
      states.add(`${connection} ${pending.count} ${uploaded}`);
      const store = useStore<number>();
      return <button onClick={() => store!.put('a', 1)}>{store ? connection : 'no store'}</button>;
    }
    const { render, text, unmount } = mount();
    render(<StrictMode><SyncProvider store={here}><List /><Writes /></SyncProvider></StrictMode>);
    await until(() => text().includes('live'));
    document.querySelector('button')!.click();
    await until(() => text().includes('a=1') && states.has('live 0 true') && [...states].some((state) => state.includes(' 1 false')));
    await there.put('b', 2);
    await until(() => text().includes('a=1,b=2'));
    unmount();
    for (const store of [await here, there]) store.close();
    return [...states];
  },
};

declare global {
  var react: typeof page;
}
globalThis.react = page;
