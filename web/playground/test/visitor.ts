import assert from 'node:assert/strict';

import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core';
import { until } from 'syncline-testing';

export interface VisitOptions extends BrowserContextOptions {
  /** Runs in the page before its own scripts. */
  before?: () => void;
  /** What may be wrong in this visit: console messages that match are let pass. */
  expected?: RegExp;
  /** Another server that gives the page its files, which it may ask for at any time: the playground's own may go away. */
  filesFrom?: string;
}

/** Somebody with a fresh browser profile on the playground, who notes all that goes wrong. */
export class Visitor {
  /** Console messages, exceptions, failed requests, broken policies, requests to other origins. */
  readonly troubles: string[] = [];

  private constructor(
    readonly page: Page,
    private readonly origin: string,
    private readonly expected: RegExp | undefined,
  ) {
    page.on('console', (message) => message.type() !== 'info' && this.#note(`console: ${message.text()}`));
    page.on('pageerror', (error) => this.#note(`exception: ${error.stack}`));
    page.on('requestfailed', (request) => this.#noteFailed(request.url(), request.failure()?.errorText));
    page.on('request', (request) => this.#checkOrigin(request.url()));
    page.on('websocket', (socket) => this.#checkOrigin(socket.url().replace(/^ws/, 'http')));
  }

  /** Opens the playground and waits until its editors are there. */
  static async open(browser: Browser, origin: string, options: VisitOptions = {}): Promise<Visitor> {
    const { before, expected, filesFrom, ...contextOptions } = options;
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...contextOptions });
    await context.addInitScript(() => {
      addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
        console.error(`policy: ${violatedDirective} ${blockedURI}`),
      );
    });
    if (before) await context.addInitScript(before);
    if (filesFrom) {
      await context.route(`${origin}/assets/**`, (route) => route.continue({ url: route.request().url().replace(origin, filesFrom) }));
    }
    const visitor = new Visitor(await context.newPage(), origin, expected);
    await visitor.page.goto(origin);
    await visitor.settle();
    return visitor;
  }

  /** The same person in another tab. */
  async openTab(): Promise<Visitor> {
    const tab = new Visitor(await this.page.context().newPage(), this.origin, this.expected);
    await tab.page.goto(this.origin);
    await tab.settle();
    return tab;
  }

  async reload(): Promise<void> {
    await this.page.reload();
    await this.settle();
  }

  /** The editors are there, and every feed has said how it stands. */
  async settle(): Promise<void> {
    await this.page.locator('.pane-query .monaco-editor textarea').waitFor();
    await until(async () => (await this.page.locator('.device .dot[data-status=live], .device .dot[data-status=ended], .device .dot[data-status=offline]').count()) === 3);
  }

  /** Nothing is wider than the window. The editors follow its size a moment later. */
  async fits(what: string): Promise<void> {
    let excess = 0;
    const isFitting = async () => (excess = await this.page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0;
    await until(isFitting).catch(() => assert.fail(`${what} is ${excess} pixels too wide`));
  }

  /** Asserts that nothing went wrong, and ends the visit. */
  async leave(): Promise<void> {
    await this.page.context().close();
    assert.deepEqual(this.troubles, []);
  }

  /** Opens an example's tab, and waits until the editors show it: nobody presses faster. */
  async example(name: string): Promise<void> {
    await this.page.getByRole('tablist', { name: 'Operations' }).getByRole('tab', { name }).click();
    await until(async () => {
      const operation = await this.model('operation');
      const isFilled = !operation.includes('$') || (await this.model('variables')).trim() !== '';
      return new RegExp(`^(query|mutation|subscription) ${name}\\b`, 'm').test(operation) && isFilled;
    });
  }

  /** Opens an example's tab and runs it, as it is filled in. Answers what the server said. */
  async run(name: string): Promise<Answer> {
    await this.example(name);
    return this.press();
  }

  /** Opens a new tab with an operation. */
  async write(operation: string): Promise<void> {
    await this.page.getByRole('button', { name: 'New tab' }).click();
    await this.page.locator('.pane-query .monaco-editor textarea').focus();
    await this.page.keyboard.insertText(operation);
    await until(async () => (await this.model('operation')) === operation);
  }

  /** Takes the example's lock, or renews it, for as long as the server keeps one: a slow machine does not outlast that. */
  async lock(): Promise<Answer> {
    await this.example('Lock');
    await this.page.evaluate(() => {
      const { __MONACO: monaco } = globalThis as unknown as { __MONACO: MonacoLike };
      const variables = monaco.editor.getModels().find(({ uri }) => uri.path.includes('-variables.'))!;
      variables.setValue(variables.getValue().replace('"ttlSeconds": 60', '"ttlSeconds": 300'));
    });
    // The tab learns of it a moment later, and forgets it if another one is opened before.
    await until(() => this.page.evaluate(() => sessionStorage.getItem('graphiql:tabState')!.includes('ttlSeconds\\": 300')));
    return this.press();
  }

  /** Runs what is open. */
  async press(): Promise<Answer> {
    const sent = this.page.waitForResponse((response) => response.url().endsWith('/graphql'));
    await this.page.getByRole('button', { name: 'Run' }).click();
    await sent;
    await until(async () => (await this.answer()) !== '');
    return JSON.parse(await this.answer()) as Answer;
  }

  /** The text in the pane of the answer. */
  async answer(): Promise<string> {
    return this.model('response');
  }

  /** The text in one of the editors. */
  async model(name: 'operation' | 'variables' | 'response'): Promise<string> {
    return this.page.evaluate((part) => {
      const { __MONACO: monaco } = globalThis as unknown as { __MONACO: MonacoLike };
      return monaco.editor.getModels().find(({ uri }) => uri.path.includes(part))!.getValue();
    }, `-${name}.`);
  }

  async actAs(device: string): Promise<void> {
    await this.page.getByRole('radio', { name: device }).click();
  }

  /** Opens a panel, and answers it. */
  async panel(name: string): Promise<Locator> {
    await this.page.getByRole('tablist', { name: 'Panels' }).getByRole('tab', { name }).click();
    return this.page.getByRole('tabpanel', { name, exact: true });
  }

  /** The text of the feed's events, newest first; the panel must be open. */
  async events(): Promise<string[]> {
    return this.page.locator('.feed > li').allInnerTexts();
  }

  /** Makes the first user the one with a private key. */
  async importKey(text: string): Promise<void> {
    const card = (await this.panel('Identity')).getByRole('region', { name: 'First user' });
    const button = card.getByRole('button', { name: 'Import' });
    if ((await button.getAttribute('aria-expanded')) === 'false') await button.click();
    await card.getByRole('textbox', { name: 'Private key' }).fill(text);
    await card.getByRole('button', { name: 'Become this user' }).click();
  }

  /** The public key that a user's card shows. */
  async publicKey(person: string): Promise<string> {
    const panel = await this.panel('Identity');
    return panel.getByRole('region', { name: person }).getByRole('group', { name: 'Public key' }).innerText();
  }

  #checkOrigin(url: string): void {
    if (new URL(url).origin !== this.origin) this.#note(`another origin: ${url}`);
  }

  #noteFailed(url: string, reason = ''): void {
    if (reason !== 'net::ERR_ABORTED') this.#note(`failed: ${url} ${reason}`); // aborted by a reload or by leaving
  }

  #note(trouble: string): void {
    if (!this.expected?.test(trouble)) this.troubles.push(trouble);
  }
}

/** What the server said. */
export interface Answer {
  data?: Record<string, Record<string, unknown>>;
  errors?: { message: string; extensions: Record<string, unknown> }[];
}

interface MonacoLike {
  editor: { getModels(): { uri: { path: string }; getValue(): string; setValue(text: string): void }[] };
}
