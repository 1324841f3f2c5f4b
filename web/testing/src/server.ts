import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { freePort } from './ports.js';
import { until } from './until.js';

/** Variables of the server's configuration. */
export type Environment = Readonly<Record<string, string>>;

const binary = fileURLToPath(new URL('syncline', import.meta.url));

/** The real server on a database of its own. It can be killed and started again. */
export class Server {
  #process: ChildProcess | undefined;
  readonly #killLast = () => void this.#process?.kill('SIGKILL');

  private constructor(
    readonly port: number,
    private readonly directory: string,
    private readonly environment: Environment,
  ) {
    process.once('exit', this.#killLast);
  }

  /** A new server on a port of its own, ready to serve. What was signed in the second of its start it would refuse: that is over. */
  static async start(environment: Environment = {}): Promise<Server> {
    const server = new Server(await freePort(), mkdtempSync(join(tmpdir(), 'syncline-')), environment);
    await server.start();
    const second = Math.floor(Date.now() / 1000);
    await until(() => Math.floor(Date.now() / 1000) > second);
    return server;
  }

  /** Where its pages are. */
  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The endpoint of its API. */
  get url(): string {
    return `${this.origin}/graphql`;
  }

  /** Starts it again on the same port and database, after {@link kill}. */
  async start(): Promise<void> {
    const started = spawn(binary, {
      env: {
        LISTEN_ADDRESS: `127.0.0.1:${this.port}`,
        SQLITE_DIR_PATH: this.directory,
        LOG_LEVEL: 'error',
        RATE_LIMITS: 'off',
        ...this.environment,
      },
      stdio: ['ignore', 2, 2],
    });
    this.#process = started;
    let failure: Error | undefined;
    started.once('error', (error) => (failure = error));
    started.once('exit', (code) => (failure ??= new Error(`the server ended with ${code}`)));
    await until(async () => failure !== undefined || (await fetch(`${this.origin}/readyz`)).ok);
    if (failure) throw failure;
  }

  /** Ends the process without giving it a moment to tidy up. */
  async kill(): Promise<void> {
    const running = this.#process;
    this.#process = undefined;
    if (running?.exitCode !== null) return;
    const exited = once(running, 'exit');
    running.kill('SIGKILL');
    await exited;
  }

  /** Copies its database as it is now. Answers the copy's file, which goes with the database. */
  backup(): string {
    const file = join(this.directory, `backup-${Date.now()}.db`);
    execFileSync(binary, ['backup', file], { env: { SQLITE_DIR_PATH: this.directory }, stdio: 'pipe' });
    return file;
  }

  /** Puts a copy in place of its database, while it is stopped. */
  restore(file: string): void {
    execFileSync(binary, ['restore', '--force', file], { env: { SQLITE_DIR_PATH: this.directory }, stdio: 'pipe' });
  }

  /** Ends the process and removes its database. */
  async stop(): Promise<void> {
    await this.kill();
    process.off('exit', this.#killLast);
    rmSync(this.directory, { recursive: true });
  }
}
