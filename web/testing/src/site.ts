import { createServer } from 'node:http';
import type { Server } from 'node:http';

import { listen } from './ports.js';

/** What a path answers. */
export interface Content {
  /** The media type, such as `text/html`. */
  type: string;
  body: string;
}

/** A static web site on a port of its own, which is to say an origin that is not the server's. */
export class Site {
  private constructor(
    readonly port: number,
    private readonly server: Server,
  ) {}

  /** Serves contents by path. */
  static async start(contents: Readonly<Record<string, Content>>): Promise<Site> {
    const server = createServer((request, response) => {
      const content = contents[new URL(request.url ?? '/', 'http://site').pathname];
      if (!content) return response.writeHead(404).end();
      return response.writeHead(200, { 'content-type': `${content.type}; charset=utf-8` }).end(content.body);
    });
    return new Site(await listen(server), server);
  }

  /** A site with one page at `/` that runs a script. */
  static async ofScript(script: string): Promise<Site> {
    return Site.start({
      '/': { type: 'text/html', body: '<!doctype html><title>A page</title><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>' },
      '/page.js': { type: 'text/javascript', body: script },
    });
  }

  /** Its origin under a name: `127.0.0.1`, which browsers take for secure, or one below `.test`, which they do not. */
  origin(name = '127.0.0.1'): string {
    return `http://${name}:${this.port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
