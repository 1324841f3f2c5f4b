import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';

/** Has a server listen on a free port of 127.0.0.1, and answers the port. */
export async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** Below the ports that systems hand out, and without one that browsers refuse. */
const FIRST = 11_000;
const PORTS = 10_000;
let tried = 0;

/**
 * A port of 127.0.0.1 on which nobody listens. It stays free until it is used,
 * also while a server is down: no system gives it to anybody who asks for any
 * port, and of the tests' processes one at a time has it, until it ends.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + ((process.pid * 64 + tried++) % PORTS);
    // Whoever listens on its twin has it; the other tests' processes try the next one.
    const twin = await tryToListen(port + PORTS);
    if (!twin) continue;
    twin.unref();
    const server = await tryToListen(port);
    if (!server) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}

/** A server that listens on a port, unless another one does. */
async function tryToListen(port: number): Promise<Server | undefined> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
    return server;
  } catch {
    return undefined;
  }
}
