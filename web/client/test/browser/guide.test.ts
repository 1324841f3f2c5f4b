import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import type { Browser } from 'playwright-core';
import { bundle, launchChromium, Server, Site, until } from 'syncline-testing';

const here = fileURLToPath(new URL('.', import.meta.url));
const guide = join(here, '../../../../../docs/javascript.md');
const app = join(here, '../../snippets'); // whose imports find the packages of the tests
const tools = join(here, '../../../../node_modules/.bin');

/** By file: what it says in the end, if it does what the guide promises. */
const promises: Record<string, RegExp[]> = {
  'src/session.ts': [],
  'src/fetch.ts': [/^\{"data":\{"setRecord":\{"status":"SUCCESS","newRevision":1\}\}\}$/],
  'src/apollo.ts': [],
  'src/list.ts': [/^SUCCESS milk \d+$/, /^CONFLICT milk \d+$/, /^SUCCESS milk, bread \d+$/, /^CAUGHT_UP$/],
  'src/urql.ts': [/^true$/, /^CAUGHT_UP$/],
  'src/feed.ts': [/^greeting hello$/, /^list milk, bread$/, /^live$/],
  'src/events.ts': [/^CAUGHT_UP$/],
  'src/live.ts': [/^greeting,list$/],
  'src/live-apollo.ts': [/^greeting,list$/, /^Apollo greeting,list$/],
  'src/store.ts': [],
  'src/tasks.ts': [/^true$/, /^false$/],
  'src/rxdb.ts': [/RxDB Open Core RxStorage/, /^in sync$/],
  'src/lock.ts': [/^\{"data":\{"setRecord":\{"status":"SUCCESS"\}\}\}$/],
  'src/seal.ts': [/^only I can read this$/],
  'src/switch.ts': [/^true$/],
  'src/users.ts': [/^true true$/],
  'src/other.ts': [/^\{"viewer":\{"head":[5-8]\}\}$/],
  'codegen.ts': [],
  'src/typed.ts': [/^head \d+$/],
};

/** Those that need more than a page: the tests of frameworks try them. */
const elsewhere = ['src/relay.ts', 'vite.config.ts'];

let server: Server;
let browser: Browser;
before(async () => {
  [server, browser] = await Promise.all([Server.start(), launchChromium()]);
});
after(async () => {
  await Promise.all([browser.close(), server.stop()]);
  rmSync(app, { recursive: true, force: true });
});

test('the files of the guide are those whose promises are known', () => {
  rmSync(app, { recursive: true, force: true });
  const snippets = [...readFileSync(guide, 'utf8').matchAll(/^```ts\n(?:\/\/ (\S+)\n)?(.*?)^```/gms)].filter(([, name]) => !elsewhere.includes(name!));
  assert.deepEqual(snippets.map(([, name]) => name), Object.keys(promises));
  for (const [, name, text] of snippets) {
    const file = join(app, name!);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text!.replaceAll('http://localhost:8080', server.origin));
  }
});

test('the types that GraphQL Code Generator makes fit, and every file compiles', () => {
  execFileSync(join(tools, 'graphql-codegen'), ['--config', 'codegen.ts'], { cwd: app, stdio: 'pipe' });
  const wrong = "import { graphql } from './gql';\nimport { client } from './apollo';\n" +
    "const { data } = await client.query({ query: graphql(`query Head { viewer { id head } }`) });\n" +
    '// @ts-expect-error: a revision is a number\nexport const head: string = data!.viewer.head;\n';
  writeFileSync(join(app, 'src/wrong.ts'), wrong);
  const compilerOptions = { noEmit: true, rootDir: '.', outDir: 'out', module: 'esnext', moduleResolution: 'bundler', types: ['node'] };
  writeFileSync(join(app, 'tsconfig.json'), JSON.stringify({ extends: '../../tsconfig.json', compilerOptions, include: ['.'] }));
  try {
    execFileSync(join(tools, 'tsc'), ['-p', app], { encoding: 'utf8' });
  } catch (error) {
    assert.fail((error as { stdout: string }).stdout);
  }
});

test('every file does what the guide promises', async (t) => {
  const window = await browser.newContext(); // one user
  const scripts = Object.keys(promises).filter((name) => name.startsWith('src/'));
  const contents = await Promise.all(
    scripts.map(async (name) => [`/${name}`, { type: 'text/javascript', body: await bundle(join(app, name)) }] as const),
  );
  const pages = scripts.map((name) => [`/${name}.html`, { type: 'text/html', body: `<!doctype html><script type="module" src="/${name}"></script>` }] as const);
  const icon = ['/favicon.ico', { type: 'image/x-icon', body: '' }] as const;
  const site = await Site.start(Object.fromEntries([...contents, ...pages, icon]));
  t.after(() => site.stop());
  for (const name of scripts) {
    const page = await window.newPage();
    const said: string[] = [];
    page.on('console', (message) => said.push(message.text()));
    page.on('pageerror', (error) => said.push(`error: ${error.message}`));
    await page.goto(`${site.origin()}/${name}.html`);
    const expected = promises[name]!;
    await until(() => said.length >= expected.length).catch(() => {});
    assert.equal(said.length, expected.length, `${name} says ${JSON.stringify(said)}`);
    expected.forEach((pattern, i) => assert.match(said[i]!, pattern, name));
    await page.close();
  }
});
