import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const guide = fileURLToPath(new URL('../../../docs/javascript.md', import.meta.url));
const apps = fileURLToPath(new URL('../apps/', import.meta.url)); // whose imports find the packages of the tests

/** Where the guide has its server, without the port. */
const SERVER = 'http://localhost:8080';

/** The code of the guide by the name of its file. */
export function filesOfGuide(): Map<string, string> {
  const blocks = readFileSync(guide, 'utf8').matchAll(/^```(?:tsx?\n\/\/|(?:vue|svelte)\n<!--) (\S+)[^\n]*\n(.*?)^```/gms);
  return new Map([...blocks].map(([, name, text]) => [name!, text!]));
}

/** An app in a folder of its own: files of the guide as they are, and others. `origin` takes the place of the guide's server. */
export function makeApp(name: string, origin: string, taken: readonly string[], others: Readonly<Record<string, string>>): string {
  const directory = join(apps, name);
  rmSync(directory, { recursive: true, force: true });
  const all = filesOfGuide();
  const files = { ...Object.fromEntries(taken.map((file) => [file, all.get(file)!.replaceAll(SERVER, origin)])), ...others };
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, file)), { recursive: true });
    writeFileSync(join(directory, file), text);
  }
  return directory;
}
