import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { svelte } from '@sveltejs/vite-plugin-svelte';
import { Identity, Session } from '@syncline/client';
import { memoryStorage, openStore } from '@syncline/client/store';
import { record, records, syncStatus } from '@syncline/client/svelte';
import type { Readable } from '@syncline/client/svelte';
import type { Browser } from 'playwright-core';
import { get } from 'svelte/store';
import { launchChromium, Server, until } from 'syncline-testing';

import { INDEX, serveBuilt, STORES } from './served.js';
import { makeApp } from './guide.js';
import { showsTheGuidesNotes, showsWhatIsThere } from './shown.js';

let server: Server;
let browser: Browser;
before(async () => {
  [server, browser] = await Promise.all([Server.start(), launchChromium()]);
});
after(() => Promise.all([browser.close(), server.stop()]));

const plugin = () => svelte({ configFile: false });

test('Svelte shows the guide’s list from the store, and what is added to it', async (t) => {
  const app = makeApp('svelte-guide', server.origin, ['src/Notes.svelte', 'src/store.ts', 'src/session.ts'], {
    'index.html': INDEX,
    'main.ts': "import { mount } from 'svelte';\nimport Notes from './src/Notes.svelte';\nmount(Notes, { target: document.getElementById('app') });\n",
  });
  const site = await serveBuilt(app, [plugin()]);
  t.after(() => site.stop());
  await showsTheGuidesNotes(browser, site);
});

const SHOWN = `
<script>
  import { record, records, syncStatus } from '@syncline/client/svelte';
  import { controls } from './controls.svelte.js';
  import { frame } from './stores.js';

  const failed = (error) => globalThis.app.failures.push(error.message);
  const list = $derived(records(controls.store, { prefix: controls.id }, failed));
  const one = $derived(record(controls.store, controls.id, failed));
  const status = $derived(syncStatus(controls.store, failed));
</script>

<p>{frame(controls.store, controls.id, $list, $one, $status)}</p>
`;
const CONTROLS = `
class Controls {
  store = $state.raw();
  id = $state('a');
}
export const controls = new Controls();
`;
const MAIN = `
import { mount, unmount } from 'svelte';
import { controls } from './controls.svelte.js';
import Shown from './Shown.svelte';
import { page } from './stores.js';

page(controls, () => unmount(shown));
const shown = mount(Shown, { target: document.getElementById('app') });
`;

test('Svelte shows what is there of this store and this query, and nothing of the former, until the component is gone', async (t) => {
  const app = makeApp('svelte', server.origin, [], {
    'index.html': INDEX,
    'main.ts': MAIN,
    'Shown.svelte': SHOWN,
    'controls.svelte.js': CONTROLS,
    'stores.js': STORES.replaceAll('http://localhost:8080', server.origin),
  });
  const site = await serveBuilt(app, [plugin()]);
  t.after(() => site.stop());
  await showsWhatIsThere(browser, site);
});

test('a store that is being opened shows nothing yet, then what is there, and says if it cannot be', async (t) => {
  const session = new Session({ url: server.url, identity: Identity.create() });
  const opening = openStore<string>(session, { storage: memoryStorage(), persist: false });
  const shown: [Readable<unknown>, unknown][] = [[records(opening), undefined], [record(opening, 'a'), undefined], [syncStatus(opening), 'connecting']];
  for (const [each, unknown] of shown) {
    const value = get(each) as { connection?: string } | undefined;
    assert.equal(value?.connection ?? value, unknown);
  }
  const store = await opening;
  t.after(() => store.close());
  await store.put('a', 'there');
  let seen: unknown;
  t.after(record(opening, 'a').subscribe((found) => (seen = found?.value)));
  await until(() => seen === 'there');
  const failure = new Error('not opened');
  const failed = new Promise((hears) => records(Promise.reject(failure), {}, hears).subscribe(() => {}));
  assert.equal(await failed, failure);
});
