import { build } from 'esbuild';

/** A module with all that it imports, as one script for a page. Takes its path, and folders that take the place of packages. */
export async function bundle(entry: string, alias: Readonly<Record<string, string>> = {}): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [entry],
    alias,
    bundle: true,
    format: 'esm',
    target: 'es2022',
    sourcemap: 'inline',
    write: false,
    logLevel: 'warning',
  });
  return outputFiles[0]!.text;
}
