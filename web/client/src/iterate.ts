/** What a subscription reports to. */
export interface Sink<T> {
  next(value: T): void;
  error(error: unknown): void;
  complete(): void;
}

/**
 * A subscription as an async iterator. It starts at the first call of `next`
 * and stops when the iterator is left. Values are kept until they are asked for.
 */
export function iterate<T>(subscribe: (sink: Sink<T>) => () => void): AsyncGenerator<T, void, unknown> {
  const pending: T[] = [];
  let end: { error?: unknown } | undefined;
  let wake = () => {};
  const sink: Sink<T> = {
    next(value) {
      pending.push(value);
      wake();
    },
    error(error) {
      end ??= { error };
      wake();
    },
    complete() {
      end ??= {};
      wake();
    },
  };

  async function* values(): AsyncGenerator<T, void, unknown> {
    const stop = subscribe(sink);
    try {
      for (;;) {
        while (pending.length > 0) yield pending.shift()!;
        if (end && 'error' in end) throw end.error;
        if (end) return;
        await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      stop();
    }
  }

  const iterator = values();
  const leave = iterator.return.bind(iterator);
  iterator.return = (value) => {
    pending.length = 0;
    sink.complete(); // or leaving would wait for the next value
    return leave(value);
  };
  return iterator;
}
