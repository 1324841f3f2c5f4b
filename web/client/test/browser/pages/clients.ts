import { Identity, Session } from '@syncline/client';

import { openApollo } from './apollo.js';
import type { App } from './app.js';
import { openEventSource, openSocket } from './streams.js';
import { openUrql } from './urql.js';

const libraries = {
  'Apollo Client': openApollo,
  urql: openUrql,
  'graphql-ws': openSocket,
  'graphql-sse': openEventSource,
};

export type Library = keyof typeof libraries;

declare global {
  var openApp: (library: Library, url: string) => App;
  var switchIdentity: (app: App) => Promise<void>;
}

globalThis.openApp = (library: Library, url: string) =>
  libraries[library](new Session({ url, identity: Identity.create() }));
globalThis.switchIdentity = (app) => app.session.switchTo(Identity.create());
