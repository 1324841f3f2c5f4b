type Waiting = Set<() => void> & EventListenerObject;

const waiting = new WeakMap<AbortSignal, Waiting>();

/**
 * Calls back when a signal is aborted later on. Answers how to stop that.
 * However many wait for a signal, it has one listener, and none when nobody
 * waits: Node.js warns of more than ten. What one of them throws is reported
 * as a rejection that nobody handles, and keeps no other from being called.
 */
export function onAbort(signal: AbortSignal | null | undefined, act: () => void): () => void {
  if (!signal) return () => {};
  const all = waiting.get(signal) ?? Object.assign(new Set<() => void>(), { handleEvent: () => all.forEach(async (each) => each()) });
  const own = () => act(); // the same function may wait twice
  waiting.set(signal, all.add(own) as Waiting);
  signal.addEventListener('abort', all);
  return () => {
    if (all.delete(own) && !all.size) signal.removeEventListener('abort', all);
  };
}
