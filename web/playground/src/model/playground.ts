import { createStore } from 'zustand/vanilla';

import { Device } from './device.ts';
import { greet } from './greeting.ts';
import type { Greeting } from './greeting.ts';
import { History } from './history.ts';
import { Person } from './person.ts';
import { readCertificate } from './preferences.ts';

/** All that the page works with: two users, one of them with two devices. */
export class Playground {
  /** The device that the page acts as. */
  readonly active;
  /** What the server said last when it was greeted; null while it was not. */
  readonly greeting = createStore<Greeting | null>(() => null);

  /** What was run so far. */
  readonly history = new History();

  private constructor(
    readonly people: readonly Person[],
    readonly devices: readonly Device[],
  ) {
    this.active = createStore<Device>(() => devices[0]!);
  }

  static async open(): Promise<Playground> {
    const endpoint = new URL('graphql', document.baseURI);
    const certificate = readCertificate();
    const [first, second] = await Promise.all([Person.open('First user'), Person.open('Second user')]);
    const devices = [
      new Device('Laptop', first, endpoint, certificate),
      new Device('Phone', first, endpoint, certificate),
      new Device('Tablet', second, endpoint, certificate),
    ];
    return new Playground([first, second], devices);
  }

  /** Greets the server, sets the clocks by it, and starts the feeds. */
  async start(): Promise<void> {
    await this.greet();
    for (const device of this.devices) {
      device.start();
      device.feed.state.subscribe(({ status }) => {
        if (status === 'live') void this.#greetAgain();
      });
    }
  }

  /** Asks the server again whether all is well. */
  async greet(): Promise<void> {
    const greeting = await greet(this.active.getState());
    if (greeting.error === null) this.#setClocks(greeting.clockBehind);
    this.greeting.setState(greeting, true);
  }

  /** Makes the page act as a device. */
  act(device: Device): void {
    this.active.setState(device, true);
  }

  /** A feed that is live tells that the server can be reached after all. */
  async #greetAgain(): Promise<void> {
    if (this.greeting.getState()?.error?.code === 'UNREACHABLE') await this.greet();
  }

  #setClocks(behind: number): void {
    const serverTime = new Date(Date.now() + behind * 1000).toISOString();
    for (const { session } of this.devices) session.correctClock(serverTime);
  }
}
