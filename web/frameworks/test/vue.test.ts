import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Identity, Session } from '@syncline/client';
import { memoryStorage, openStore } from '@syncline/client/store';
import { useRecord, useRecords, useSyncStatus } from '@syncline/client/vue';
import vue from '@vitejs/plugin-vue';
import type { Browser } from 'playwright-core';
import { launchChromium, Server, until } from 'syncline-testing';
import { createSSRApp, defineComponent, effectScope, nextTick, reactive } from 'vue';
import { renderToString } from 'vue/server-renderer';

import { INDEX, serveBuilt, STORES } from './served.js';
import { makeApp } from './guide.js';
import { showsTheGuidesNotes, showsWhatIsThere } from './shown.js';

let server: Server;
let browser: Browser;
before(async () => {
  [server, browser] = await Promise.all([Server.start(), launchChromium()]);
});
after(() => Promise.all([browser.close(), server.stop()]));

test('Vue shows the guide’s list from the store, and what is added to it', async (t) => {
  const app = makeApp('vue-guide', server.origin, ['src/Notes.vue', 'src/store.ts', 'src/session.ts'], {
    'index.html': INDEX,
    'main.ts': "import { createApp } from 'vue';\nimport Notes from './src/Notes.vue';\ncreateApp(Notes).mount('#app');\n",
  });
  const site = await serveBuilt(app, [vue()]);
  t.after(() => site.stop());
  await showsTheGuidesNotes(browser, site);
});

/** The store is in a deep ref, which makes a proxy of it. */
const MAIN = `
import { createApp, defineComponent, h, ref, toRaw } from 'vue';
import { Identity, Session } from '@syncline/client';
import { memoryStorage, openStore } from '@syncline/client/store';
import { useRecord, useRecords, useSyncStatus } from '@syncline/client/vue';
import { frame, page } from './stores.js';

const store = ref();
const id = ref('a');
const controls = { set store(next) { store.value = next; }, set id(next) { id.value = next; } };
const Shown = defineComponent(() => {
  const list = useRecords(store, () => ({ prefix: id.value }));
  const record = useRecord(store, id);
  const status = useSyncStatus(store);
  return () => h('p', frame(toRaw(store.value), id.value, list.value, record.value, status.value));
});
const app = createApp(Shown);
app.config.errorHandler = (error) => globalThis.app.failures.push(error.message);
page(controls, () => app.unmount());
app.mount('#app');
`;

test('Vue shows what is there of this store and this query, and nothing of the former, until the component is gone', async (t) => {
  const app = makeApp('vue', server.origin, [], { 'index.html': INDEX, 'main.ts': MAIN, 'stores.js': STORES.replaceAll('http://localhost:8080', server.origin) });
  const site = await serveBuilt(app, [vue()]);
  t.after(() => site.stop());
  await showsWhatIsThere(browser, site);
});

test('Vue’s server renders that nothing is known yet', async () => {
  const Page = defineComponent({
    setup: () => ({ list: useRecords(undefined), record: useRecord(undefined, 'a'), status: useSyncStatus(undefined) }),
    template: '<p>{{ list === undefined }} {{ record === undefined }} {{ status.connection }} {{ status.uploaded }}</p>',
  });
  assert.equal(await renderToString(createSSRApp(Page)), '<p>true true connecting false</p>');
});

test('Vue follows a query that is changed in place, and shows nothing of the one before', async (t) => {
  const session = new Session({ url: `${server.origin}/graphql`, identity: Identity.create() });
  const store = await openStore<string>(session, { storage: memoryStorage(), persist: false });
  t.after(() => store.close());
  await store.batch((batch) => ['a1', 'a2', 'b1'].forEach((id) => batch.put(id, id)));
  const query = reactive({ prefix: 'a' });
  const ids = reactive(['a1']);
  const scope = effectScope();
  t.after(() => scope.stop());
  const [byQuery, byIds] = scope.run(() => [useRecords(store, query), useRecords(store, ids)] as const)!;
  const shown = () => [byQuery, byIds].map(({ value }) => value?.map(({ id }) => id).join());
  await until(async () => shown().join('; ') === 'a1,a2; a1');
  query.prefix = 'b';
  ids.push('b1');
  await nextTick();
  assert.deepEqual(shown(), [undefined, undefined]);
  await until(async () => shown().join('; ') === 'b1; a1,b1');
  await store.put('a3', 'a3');
  await store.put('b2', 'b2');
  await until(async () => shown().join('; ') === 'b1,b2; a1,b1');
});
