import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';

import { defineConfig } from 'vite';
import type { Plugin } from 'vite';

const syncline = process.env['SYNCLINE_URL'] ?? 'http://127.0.0.1:8091';

/** Writes the service worker: src/service-worker.js, told which files the app consists of. */
function serviceWorker(): Plugin {
  return {
    name: 'service-worker',
    apply: 'build',
    enforce: 'post', // when index.html is among the files, too
    generateBundle(_, bundle) {
      const files = ['/', ...Object.keys(bundle).filter((name) => name !== 'index.html').map((name) => `/${name}`), ...readdirSync('public').map((name) => `/${name}`)];
      const contents = Object.values(bundle).map((file) => (file.type === 'asset' ? file.source : file.code));
      const version = createHash('sha256');
      for (const content of [...contents, ...readdirSync('public').map((name) => readFileSync(`public/${name}`))]) version.update(content);
      const source = `const FILES = ${JSON.stringify(files)};\nconst VERSION = '${version.digest('hex')}';\n${readFileSync('src/service-worker.js', 'utf8')}`;
      this.emitFile({ type: 'asset', fileName: 'service-worker.js', source });
    },
  };
}

export default defineConfig({
  plugins: [serviceWorker()],
  resolve: { dedupe: ['react', 'react-dom', 'graphql', 'graphql-ws'] }, // the client, which is a link, has its own for its tests
  build: { target: 'es2022', modulePreload: { polyfill: false }, rolldownOptions: { checks: { moduleLevelDirective: false } } },
  server: { proxy: { '/graphql': { target: syncline, ws: true } } },
  preview: {
    // A script in the page has the key: only the app's own may run.
    headers: { 'Content-Security-Policy': "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'" },
  },
});
