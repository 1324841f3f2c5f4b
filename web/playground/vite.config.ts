import { defineConfig } from 'vite';

import { gzipped } from './gzipped.ts';

/** What `npm run dev` passes on to a server that runs beside it. */
const server = process.env['SYNCLINE_URL'] ?? 'http://localhost:8080';

export default defineConfig({
  base: './', // wherever a proxy mounts the page
  plugins: [gzipped()],
  build: {
    outDir: '../../internal/playground/built',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0, // the policy of the page allows no data: URLs for fonts
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 4096,
    rolldownOptions: { checks: { moduleLevelDirective: false } },
    license: { fileName: 'licenses.md' },
  },
  worker: { format: 'es' },
  server: {
    proxy: {
      '/graphql': { target: server, ws: true },
      '/schema.graphql': { target: server },
    },
  },
});
