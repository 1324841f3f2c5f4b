import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

import { chromium } from 'playwright-core';
import type { Browser, BrowserContext } from 'playwright-core';

import { LONGEST } from './until.js';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];

/**
 * The Chromium of the system, headless. Every name below `.test` is this
 * machine, as an origin that is not secure; names elsewhere are not found, so
 * that no test reaches the network. `args` are further switches.
 */
export async function launchChromium(args: readonly string[] = []): Promise<Browser> {
  const browser = await chromium.launch({ executablePath: executable(), args: [...switches(), ...args], timeout: LONGEST });
  browser.on('context', (context) => context.setDefaultTimeout(LONGEST));
  return browser;
}

/** The same with a profile that is kept in a directory. */
export async function launchProfile(directory: string): Promise<BrowserContext> {
  const context = await chromium.launchPersistentContext(directory, { executablePath: executable(), args: switches(), timeout: LONGEST });
  context.setDefaultTimeout(LONGEST);
  return context;
}

/** A Chromium that can be killed: its own processes with a profile of its own, as on somebody's computer. */
export interface Killable {
  readonly context: BrowserContext;
  /** Ends all of its processes at once, without giving them a moment to tidy up. */
  kill(): Promise<void>;
}

/** Starts one with a profile that is kept in a directory, also after it was killed there. */
export async function startChromium(directory: string): Promise<Killable> {
  const started = spawn(executable(), [...switches(), '--headless', '--no-first-run', '--password-store=basic', '--remote-debugging-port=0', `--user-data-dir=${directory}`, 'about:blank'], {
    detached: true, // a group of its own, which is killed whole
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exited = new Promise<void>((resolve) => started.once('close', () => resolve()));
  const end = () => {
    try {
      process.kill(-started.pid!, 'SIGKILL');
    } catch {
      // it ended before
    }
  };
  process.once('exit', end);
  const endpoint = await new Promise<string>((resolve, reject) => {
    let said = '';
    started.stderr!.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      const [, found] = /DevTools listening on (\S+)/.exec(said) ?? [];
      if (found) resolve(found);
    });
    started.once('error', reject);
    void exited.then(() => reject(new Error(`Chromium ended as it was started: ${said}`)));
  });
  const browser = await chromium.connectOverCDP(endpoint, { timeout: LONGEST });
  const [context] = browser.contexts();
  context!.setDefaultTimeout(LONGEST);
  return {
    context: context!,
    async kill() {
      end();
      process.off('exit', end);
      await exited;
    },
  };
}

function executable(): string {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const found = NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable);
  if (found) return found;
  throw new Error(`none of ${NAMES.join(', ')} is in PATH: install the Debian package chromium (make setup does)`);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function switches(): string[] {
  const names = 'MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost';
  const quiet = ['--disable-background-networking', '--disable-component-update', '--disable-sync'];
  const isRoot = process.getuid?.() === 0; // for whom Chromium has no sandbox
  return [`--host-resolver-rules=${names}`, ...quiet, ...(isRoot ? ['--no-sandbox'] : [])];
}
