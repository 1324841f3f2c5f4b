import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import type { Browser, Locator, Page } from 'playwright-core';
import { freePort, launchChromium, until } from 'syncline-testing';

const notes = fileURLToPath(new URL('../../../examples/notes/', import.meta.url));
const images = fileURLToPath(new URL('../../../docs/images/', import.meta.url));
const require = createRequire(import.meta.url);
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const decodeQR = require('jsqr') as (pixels: Uint8ClampedArray, width: number, height: number) => { data: string } | null;

const DESK = { width: 1280, height: 600 };
const PHONE = { width: 390, height: 844 };
const SMALLEST = { width: 320, height: 640 };
const LONGEST = 120_000; // a busy machine gets there

const database = mkdtempSync(join(tmpdir(), 'notes-'));
let program: ChildProcess;
let browser: Browser;
let origin: string;

before(async () => {
  const env = { ...process.env, LISTEN_ADDRESS: `127.0.0.1:${await freePort()}`, SQLITE_DIR_PATH: database };
  program = spawn(process.execPath, ['start.js', '--port', String(await freePort())], { cwd: notes, env, stdio: ['ignore', 'pipe', 2] });
  process.once('exit', () => program.kill());
  for await (const line of createInterface(program.stdout!)) {
    origin = line.startsWith('open ') ? line.slice(5) : '';
    if (origin) break;
  }
  assert.ok(origin, 'the program says where the app is');
  program.stdout!.resume();
  browser = await launchChromium();
});

after(async () => {
  await browser?.close();
  const exited = once(program, 'exit');
  program.kill('SIGINT');
  assert.deepEqual(await exited, [0, null], 'the program ends by itself when it is interrupted');
  rmSync(database, { recursive: true });
});

/** A device of its own. Nothing may go wrong on its pages, and they ask no other origin for anything. */
class Device {
  readonly faults: string[] = [];

  private constructor(readonly page: Page) {
    page.setDefaultTimeout(LONGEST);
    page.on('console', (message) => message.text().includes('Content Security Policy') && this.faults.push(message.text()));
    page.on('pageerror', (error) => this.faults.push(String(error)));
    page.on('request', (request) => request.url().startsWith(origin) || this.faults.push(request.url()));
  }

  static async start(viewport = DESK, colorScheme: 'light' | 'dark' = 'light'): Promise<Device> {
    const device = new Device(await (await browser.newContext({ viewport, colorScheme })).newPage());
    await device.page.goto(origin);
    await device.uploaded();
    return device;
  }

  /** Another tab of it. */
  async tab(): Promise<Device> {
    const other = new Device(await this.page.context().newPage());
    await other.page.goto(origin);
    return other;
  }

  /** Two devices of one user. */
  static async two(): Promise<[Device, Device]> {
    const [first, second] = await Promise.all([Device.start(), Device.start()]);
    await first.button('Link a device').click();
    const link = await first.page.getByLabel('Link', { exact: true }).inputValue();
    await first.button('Done').click();
    await second.link(link);
    return [first, second];
  }

  button = (name: string): Locator => this.page.getByRole('button', { name, exact: true });
  /** A note of the list whose title or text has some words. */
  note = (words: string): Locator => this.page.getByRole('navigation').getByRole('link').filter({ hasText: words });
  get title(): Locator {
    return this.page.getByRole('textbox', { name: 'Title' });
  }
  get text(): Locator {
    return this.page.getByRole('textbox', { name: 'Text' });
  }
  version = (words: string): Locator => this.page.getByRole('article', { name: /^Version/ }).filter({ hasText: words });

  async write(title: string, text: string): Promise<void> {
    await this.button('New note').click();
    await this.title.fill(title);
    await this.text.fill(text);
    await this.note(text).filter({ hasText: title }).waitFor(); // the list shows what is on disk
  }

  async uploaded(): Promise<void> {
    await this.page.locator('[data-connection=live]', { hasText: 'Everything is uploaded.' }).waitFor();
  }

  async link(link: string): Promise<void> {
    await this.page.goto(link);
    await this.button('Link this device').waitFor();
    assert.equal(new URL(this.page.url()).hash, '', 'the key does not stay in the address');
    await this.page.evaluate('window.isBefore = true');
    await this.button('Link this device').click();
    await until(async () => !(await this.page.evaluate('window.isBefore'))); // it begins again, as the other user
    await this.uploaded();
  }

  async offline(is: boolean): Promise<void> {
    await this.page.context().setOffline(is);
  }

  async end(): Promise<void> {
    await this.page.context().close();
    assert.deepEqual(this.faults, []);
  }
}

test('a note written without a network is there after a reload without one, and on a device that scans the QR code', async () => {
  const laptop = await Device.start();
  await laptop.page.evaluate('navigator.serviceWorker.ready.then(() => {})');
  await laptop.offline(true);
  await laptop.write('Groceries', 'milk and bread');
  await laptop.page.getByText(/^Offline\. (1 change waits|\d changes wait) for a network\.$/).waitFor();
  await laptop.page.reload();
  await laptop.note('milk and bread').waitFor();
  await laptop.offline(false);
  await laptop.uploaded();

  await laptop.button('Link a device').click();
  const link = await laptop.page.getByLabel('Link', { exact: true }).inputValue();
  assert.equal(await scan(laptop.page.getByRole('img', { name: /QR/ })), link);
  const phone = await Device.start(PHONE);
  await phone.button('New note').click();
  await phone.text.fill('from the phone'); // its own, until then
  await phone.page.getByRole('link', { name: 'Notes' }).click();
  await phone.note('from the phone').waitFor();
  await phone.link(link);
  await phone.note('milk and bread').click();
  await until(async () => (await phone.title.inputValue()) === 'Groceries');
  await laptop.button('Done').click();
  await laptop.note('from the phone').waitFor();
  await phone.page.goto(link);
  await phone.page.getByText('This device is linked').waitFor();
  await Promise.all([laptop.end(), phone.end()]);
});

/** What a camera reads of a picture on the page. */
async function scan(picture: Locator): Promise<string | undefined> {
  const png = (await picture.screenshot()).toString('base64');
  const page = await browser.newPage(); // the app's may not open data: URLs
  const { width, height, pixels } = await page.evaluate(async (image) => {
    const bitmap = await createImageBitmap(await (await fetch(`data:image/png;base64,${image}`)).blob());
    const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d')!;
    context.drawImage(bitmap, 0, 0);
    return { width: bitmap.width, height: bitmap.height, pixels: [...context.getImageData(0, 0, bitmap.width, bitmap.height).data] };
  }, png);
  await page.close();
  return decodeQR(Uint8ClampedArray.from(pixels), width, height)?.data;
}

test('changed on two devices apart, both versions are shown on both, and a choice on one counts on both', async () => {
  const [first, second] = await Device.two();
  await first.write('Trip', 'by train');
  await second.note('by train').click();
  await Promise.all([first.offline(true), second.offline(true)]);
  for (const [device, text] of [[first, 'by boat'], [second, 'by bicycle']] as const) {
    await device.text.fill(text);
    await device.note(text).waitFor();
  }
  await first.offline(false);
  await first.uploaded();
  await second.offline(false);
  for (const device of [first, second]) for (const text of ['by boat', 'by bicycle']) await device.version(text).waitFor();
  await first.version('by boat').getByRole('button', { name: 'Keep this one' }).click();
  for (const device of [first, second]) {
    await until(async () => (await device.text.inputValue()) === 'by boat');
    assert.equal(await device.version('').count(), 0);
    await device.uploaded();
  }
  await Promise.all([first.end(), second.end()]);
});

test('changed on two devices apart, but not in the same field: nobody is asked', async () => {
  const [first, second] = await Device.two();
  await first.write('Trip', 'by train');
  await second.note('by train').click();
  await second.offline(true);
  await second.text.fill('by tram');
  await second.note('by tram').waitFor();
  await first.title.fill('Journey');
  await first.note('Journey').waitFor();
  await first.uploaded();
  await second.offline(false);
  for (const device of [first, second]) await device.note('Journey').filter({ hasText: 'by tram' }).waitFor();
  await Promise.all([first.end(), second.end()]);
});

test('typing keeps its place, a deleted note comes back by one press, and words are found', async () => {
  const [first, second] = await Device.two();
  await first.write('Letters', 'ad');
  await first.text.press('Home');
  await first.text.press('ArrowRight');
  await first.text.pressSequentially('bc');
  await second.note('abcd').click();
  await first.button('Delete').click();
  await until(async () => (await second.note('').count()) === 0);
  await second.page.getByText('Choose a note').waitFor();
  await first.button('Undo').click();
  await second.note('abcd').waitFor();
  await first.write('Other', 'words');
  await first.page.getByLabel('Search notes').fill('LETTERS bc');
  await until(async () => (await first.note('').count()) === 1);
  await first.note('abcd').waitFor();
  await Promise.all([first.end(), second.end()]);
});

test('the server has notes, and cannot read them', async () => {
  const device = await Device.start();
  await device.write('A secret title', 'a secret text');
  await device.uploaded();
  const kept = Buffer.concat(readdirSync(database).map((name) => readFileSync(join(database, name))));
  assert.ok(kept.includes('note/'), 'ids are no secret');
  for (const secret of ['secret title', 'secret text']) assert.ok(!kept.includes(secret), secret);
  await device.end();
});

test('what another tab writes while a device is being linked is not lost', async () => {
  const [first, second] = await Promise.all([Device.start(), Device.start()]);
  await first.button('Link a device').click();
  const link = await first.page.getByLabel('Link', { exact: true }).inputValue();
  await second.write('Before', 'written before');
  const other = await second.tab();
  await other.note('written before').waitFor();
  await second.page.goto(link);
  await second.page.exposeFunction('meanwhile', () => other.write('Meanwhile', 'written meanwhile'));
  await second.page.evaluate(`{
    const encrypt = SubtleCrypto.prototype.encrypt; // of the key that takes the place of the other, when all notes were copied
    let first = true;
    SubtleCrypto.prototype.encrypt = async function (...args) {
      if (first) await window.meanwhile();
      first = false;
      return encrypt.apply(this, args);
    };
  }`);
  await second.button('Link this device').click();
  await first.button('Done').click();
  for (const device of [first, second, other]) for (const words of ['written before', 'written meanwhile']) await device.note(words).waitFor();
  await Promise.all([first.end(), second.end()]);
  assert.deepEqual(other.faults, []);
});

test('a change that could not be saved makes no conflict of the next one', async () => {
  const device = await Device.start();
  await device.write('Trip', 'by train');
  await device.page.evaluate(`{
    const { put } = IDBObjectStore.prototype;
    window.mend = () => (IDBObjectStore.prototype.put = put);
    IDBObjectStore.prototype.put = () => { throw new DOMException('full', 'QuotaExceededError'); };
  }`);
  await device.text.fill('by boat');
  await device.page.getByText(/^Not saved/).waitFor();
  await device.page.evaluate('void window.mend()');
  await device.text.fill('by bicycle');
  await device.note('by bicycle').waitFor();
  assert.equal(await device.version('').count(), 0);
  await device.uploaded();
  await device.end();
});

test('a change that the server does not take is told, and is gone once it is discarded', async () => {
  const device = await Device.start();
  await device.write('Trip', 'by train');
  await device.uploaded();
  const refusal = { data: null, errors: [{ message: 'refused', extensions: { code: 'BAD_USER_INPUT' } }] };
  await device.page.route('**/graphql', (route) => (route.request().postData()?.includes('writeRecords') ? route.fulfill({ json: refusal }) : route.continue()));
  await device.text.fill('by boat');
  await device.page.getByText('1 change not taken by the server.').waitFor();
  await device.button('Discard').click();
  await device.note('by train').waitFor();
  await device.uploaded();
  await device.end();
});

test('a damaged link is told', async () => {
  const device = await Device.start();
  await device.page.goto(`${origin}/#link=abc`);
  await device.page.getByText('This link is damaged').waitFor();
  await device.end();
});

/** What is wrong with a page as it is shown: what axe finds, what sticks out, what is too small for a finger. */
async function flaws(page: Page): Promise<unknown> {
  await page.evaluate(axe);
  return page.evaluate(`axe.run().then(({ violations }) => [
    ...violations.map((v) => v.id + ': ' + v.nodes.map((n) => n.html)),
    ...(document.documentElement.scrollWidth > innerWidth ? ['it is wider than the screen'] : []),
    ...[...document.querySelectorAll('button, input, textarea, a')].filter((e) => e.checkVisibility()).filter((e) => e.getBoundingClientRect().height < 43.9 || e.getBoundingClientRect().width < 43.9).map((e) => 'small: ' + e.outerHTML),
  ])`);
}

for (const [size, viewport, colorScheme] of [['desk', DESK, 'light'], ['phone', PHONE, 'dark'], ['smallest', SMALLEST, 'light']] as const) {
  test(`accessible and in its place: ${size}, ${colorScheme}`, async () => {
    const [device, other] = [await Device.start(viewport, colorScheme), await Device.start()];
    const { page } = device;
    const show = async (what: string) => {
      assert.deepEqual(await flaws(page), [], what);
      if (process.env['SYNCLINE_SCREENSHOTS'] && what === 'versions') await page.screenshot({ path: `${images}example-notes-${size}-${colorScheme}.png` });
    };
    await show('empty');
    await device.button('Link a device').click();
    const link = await page.getByLabel('Link', { exact: true }).inputValue();
    await show('link');
    await device.button('Done').click();
    await other.link(link);
    await other.write('Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft', `https://timetables.example/?trip=${'vienna-budapest-'.repeat(20)}`);
    await other.write('Books', 'Middlemarch\nThe Leopard\nGilead');
    await other.write('Lisbon in May', 'Train from Porto, 9:35\nSmall hotel in Alfama\nTram 28, early\nBring the good shoes');
    await device.note('Books').waitFor();
    await device.note('Lisbon').waitFor();
    await show('list');
    await device.note('Lisbon').click();
    await show('note');
    await Promise.all([device.offline(true), other.offline(true)]);
    for (const [each, line] of [[device, 'Pastéis before the museum'], [other, 'Fado on Friday, book a table']] as const) {
      await each.text.fill(`Train from Porto, 9:35\nSmall hotel in Alfama\nTram 28, early\n${line}\nBring the good shoes`);
      await until(async () => (await each.page.locator('.status').textContent())!.includes(' for a network.'));
    }
    await other.offline(false);
    await other.uploaded();
    await device.offline(false);
    for (const line of ['Pastéis', 'Fado']) await device.version(line).waitFor();
    await until(async () => (await page.locator('.status').textContent())!.includes('Everything'));
    await show('versions');
    await Promise.all([device.end(), other.end()]);
  });
}
