package transport_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"syncline/graph/object"
	"syncline/graph/transport"
)

// large is far more than the buffers of the tests' sockets hold.
var large = strings.Repeat("x", 128<<10)

// stalling makes an API whose subscription to "large" never runs dry.
func stalling(written, ended chan struct{}, taken *atomic.Int64) *api {
	return &api{
		setRecord: func(context.Context, string) error {
			written <- struct{}{}
			return nil
		},
		lockChanged: func(ctx context.Context, name string) (<-chan *object.Lock, error) {
			if name == "large" {
				context.AfterFunc(ctx, func() { ended <- struct{}{} })
				return flood(ctx, taken), nil
			}
			return emit(ctx, nil, name), nil
		},
	}
}

// flood sends large events for as long as they are taken, and counts them.
func flood(ctx context.Context, taken *atomic.Int64) <-chan *object.Lock {
	events := make(chan *object.Lock)
	go func() {
		defer close(events)
		for {
			select {
			case events <- &object.Lock{Name: large}:
				taken.Add(1)
			case <-ctx.Done():
				return
			}
		}
	}()
	return events
}

const watchLarge = `subscription { lockChanged(name: "large") { name } }`

func TestStalledReaderHoldsUpNobody(t *testing.T) {
	t.Parallel()
	written, ended := make(chan struct{}, 10), make(chan struct{}, 1)
	var taken atomic.Int64
	f := serve(t, stalling(written, ended, &taken), transport.Config{WriteTimeout: time.Minute, KeepAlive: time.Minute})
	stalled := f.open()
	stalled.subscribe("1", watchLarge)
	if _, _, err := stalled.conn.NextReader(); err != nil { // the large event is on its way, and is not read
		t.Fatal(err)
	}

	for range 5 { // siblings on the same connection
		stalled.subscribe("m", setA)
		receive(t, "a mutation beside it is applied", written)
		stalled.send(complete("m"))
	}
	other := f.open() // and other connections
	other.subscribe("1", queryLock)
	other.expect(next("1", lockIsA), complete("1"))

	if n := taken.Load(); n > 2 {
		t.Errorf("%d events were taken for a reader that has read none", n)
	}
	stalled.send(complete("1")) // the stalled operation itself can be ended
	receive(t, "the subscription ended", ended)

	// When it reads again, nothing comes of what it has ended meanwhile.
	stalled.send(`{"type":"ping"}`)
	stalled.expect(`{"type":"pong"}`)
}

func TestStalledReaderDoesNotHoldUpShutdown(t *testing.T) {
	t.Parallel()
	f := serve(t, stalling(nil, make(chan struct{}, 1), new(atomic.Int64)), transport.Config{WriteTimeout: time.Minute, KeepAlive: time.Minute})
	stalled := f.open()
	stalled.subscribe("1", watchLarge)
	if _, _, err := stalled.conn.NextReader(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := f.transports.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v", err)
	}
	eventually(t, "its socket is closed", func() bool { return f.sockets.open.Load() == 0 })
}

func TestStalledReaderIsCutOff(t *testing.T) {
	t.Parallel()
	ended, told := make(chan struct{}, 1), make(chan struct{}, 10)
	f := serve(t, stalling(nil, ended, new(atomic.Int64)), transport.Config{WriteTimeout: 50 * time.Millisecond, KeepAlive: time.Minute, TooSlow: func() { told <- struct{}{} }})
	stalled := f.open()
	stalled.subscribe("1", watchLarge)
	receive(t, "the subscription ended", ended)
	eventually(t, "its socket is closed", func() bool { return f.sockets.open.Load() == 0 })
	receive(t, "it is counted", told)
	if len(told) > 0 {
		t.Error("it is counted twice")
	}
}

func TestStalledStreamIsCutOff(t *testing.T) {
	t.Parallel()
	ended, told := make(chan struct{}, 1), make(chan struct{}, 10)
	f := serve(t, stalling(nil, ended, new(atomic.Int64)), transport.Config{WriteTimeout: 50 * time.Millisecond, KeepAlive: time.Minute, TooSlow: func() { told <- struct{}{} }})
	s := f.stream(watchLarge)
	defer s.body.Close()
	receive(t, "the subscription ended", ended)
	receive(t, "it is counted", told)
}

// TestFloodOfPings asks for more than it reads.
func TestFloodOfPings(t *testing.T) {
	t.Parallel()
	f := serve(t, &api{}, transport.Config{WriteTimeout: 100 * time.Millisecond})
	p := f.open()
	ping := []byte(`{"type":"ping","payload":{"x":"` + large[:60<<10] + `"}}`)
	_ = p.conn.SetWriteDeadline(time.Now().Add(waitLimit))
	for p.conn.WriteMessage(1, ping) == nil { // until it is cut off
	}
	eventually(t, "its socket is closed", func() bool { return f.sockets.open.Load() == 0 })
}
