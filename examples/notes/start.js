// Builds and starts Syncline and the app, on one origin.
//
//   npm start                    on this computer
//   npm start -- --host          also for phones and others in this network
//   npm start -- --port 5000     on another port
//
// Syncline takes its settings from the environment as always; unless told otherwise it listens at 127.0.0.1:8091 and
// keeps its database in .local/.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const here = fileURLToPath(new URL('.', import.meta.url));
const repository = fileURLToPath(new URL('../../', import.meta.url));
process.chdir(here);
const { host, port } = parseArgs({ options: { host: { type: 'boolean', default: false }, port: { type: 'string', default: '4173' } } }).values;

for (const [what, directory] of [['client/dist', `${repository}web`], ['node_modules', here]]) {
  if (existsSync(`${directory}/${what}`)) continue;
  console.log(`installing what ${directory} needs (once)`);
  execFileSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: directory, stdio: 'inherit', shell: process.platform === 'win32' });
}
console.log('building Syncline (the first time that takes a minute or two) and the app');
const program = `${here}.local/syncline${process.platform === 'win32' ? '.exe' : ''}`;
execFileSync('go', ['build', '-o', program, '.'], { cwd: repository, stdio: 'inherit' });

const LISTEN_ADDRESS = process.env['LISTEN_ADDRESS'] ?? '127.0.0.1:8091';
process.env['SYNCLINE_URL'] = `http://${LISTEN_ADDRESS}`; // for vite.config.ts
const { build, preview } = await import('vite');
await build({ logLevel: 'warn' });

const others = Object.values(networkInterfaces()).flat().filter(({ family, internal }) => host && family === 'IPv4' && !internal);
const authorities = ['localhost', '127.0.0.1', ...others.map(({ address }) => address)].map((name) => `${name}:${port}`);
const PUBLIC_AUTHORITIES = process.env['PUBLIC_AUTHORITIES'] ?? authorities.join();
const syncline = spawn(program, {
  env: { SQLITE_DIR_PATH: `${here}.local/db`, LOG_LEVEL: 'warn', ...process.env, PUBLIC_AUTHORITIES, LISTEN_ADDRESS },
  stdio: 'inherit',
});
// Both end together.
let stopping = false;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    stopping = true;
    syncline.kill();
  });
}
process.on('exit', () => syncline.kill());
syncline.on('error', (error) => {
  console.error(`Syncline does not start: ${error.message}`);
  process.exit(1);
});
syncline.on('exit', (code) => process.exit(stopping ? 0 : (code ?? 1))); // also while it is waited for, below

const allowedHosts = PUBLIC_AUTHORITIES.split(',').filter((name) => name.trim()).map((name) => new URL(`http://${name.trim()}`).hostname);
await preview({ logLevel: 'silent', preview: { host: host ? '0.0.0.0' : '127.0.0.1', port: Number(port), strictPort: true, allowedHosts } });

while (!(await fetch(`http://${LISTEN_ADDRESS}/readyz`).catch(() => undefined))?.ok) await new Promise((resolve) => setTimeout(resolve, 50));
for (const authority of authorities.filter((name) => !name.startsWith('127.'))) console.log(`open http://${authority}`);
