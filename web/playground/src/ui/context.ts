import { createContext, useContext } from 'react';
import { useStore } from 'zustand';

import type { Device } from '../model/device.ts';
import type { Playground } from '../model/playground.ts';

export const PlaygroundContext = createContext<Playground | null>(null);

export function usePlayground(): Playground {
  return useContext(PlaygroundContext)!;
}

/** The device that the page acts as. */
export function useDevice(): Device {
  return useStore(usePlayground().active);
}
