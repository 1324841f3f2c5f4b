// Makes the calls that it reads, a line of JSON each, from a page in Chromium, and writes
// what becomes of them, a line of JSON each. It ends with its input.
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { bundle, launchChromium, Site } from 'syncline-testing';

const tell = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);
const [browser, site] = await Promise.all([
  launchChromium(),
  bundle(fileURLToPath(new URL('page.js', import.meta.url))).then((script) => Site.ofScript(script)),
]);
const page = await browser.newPage();
await page.exposeFunction('tell', tell);
await page.goto(site.origin());
await page.waitForFunction(() => globalThis.listen !== undefined);
for await (const line of createInterface({ input: process.stdin })) {
  const call = JSON.parse(line);
  if (call.stream) await page.evaluate((c) => globalThis.listen(c), call);
  else void page.evaluate((c) => globalThis.call(c), call).then((answer) => tell({ id: call.id, ...answer }));
}
await Promise.all([browser.close(), site.stop()]);
