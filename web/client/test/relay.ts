import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';

import { listen } from 'syncline-testing';

/** Stands between a client and a server, and can lose what they say without telling either. */
export class Relay {
  /** How many connections were made so far. */
  accepted = 0;
  /** Swallows every byte of new connections, too. */
  deaf = false;
  /** Breaks new connections off at once. */
  closed = false;
  readonly #sockets = new Set<Socket>();

  private constructor(
    readonly port: number,
    private readonly server: Server,
  ) {}

  /** A relay to a port of this machine. */
  static async start(target: number): Promise<Relay> {
    const server = createServer();
    const relay = new Relay(await listen(server), server);
    server.on('connection', (near) => relay.#join(near, connect(target, '127.0.0.1')));
    return relay;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/graphql`;
  }

  /** From now on present connections swallow every byte, and stay open. */
  swallow(): void {
    for (const socket of this.#sockets) socket.removeAllListeners('data').resume();
  }

  /** Breaks present connections off. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }

  stop(): void {
    this.server.close();
    this.cut();
  }

  #join(near: Socket, far: Socket): void {
    this.accepted++;
    for (const socket of [near, far]) this.#sockets.add(socket.on('error', () => {}));
    if (this.closed) return this.cut();
    if (this.deaf) {
      near.resume();
      return;
    }
    for (const [from, to] of [[near, far], [far, near]] as const) {
      from.on('data', (bytes) => to.write(bytes));
      from.on('close', () => to.destroy());
    }
  }
}
