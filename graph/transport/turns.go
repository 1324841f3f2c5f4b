package transport

import (
	"context"
	"runtime"

	"golang.org/x/sync/semaphore"
)

// turns has large requests be read one after the other, on all processors but one:
// decoding a megabyte takes a processor for up to 30 ms, and ordinary requests,
// which are read in a tenth of one, would stand behind all that are there.
type turns struct{ free *semaphore.Weighted }

func newTurns() turns {
	return turns{semaphore.NewWeighted(int64(max(1, runtime.GOMAXPROCS(0)-1)))}
}

// take waits for a turn if a number of bytes are many. end gives it back. The error is ctx's.
func (t turns) take(ctx context.Context, bytes int) (end func(), err error) {
	if bytes <= smallMessage {
		return func() {}, nil
	}
	if err := t.free.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	return func() { t.free.Release(1) }, nil
}
