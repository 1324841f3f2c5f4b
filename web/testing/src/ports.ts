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
const PORTS = 20_000;
let taken = 0;

/**
 * A port of 127.0.0.1 on which nobody listens. It stays free until it is used,
 * also while a server is down: no system gives it to anybody who asks for any
 * port, and each process of the tests has its own.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + ((process.pid * 64 + taken++) % PORTS);
    if (await isFree(port)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
