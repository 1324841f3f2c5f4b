package feed_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"syncline/feed"
	"syncline/pubsub"
	"syncline/pubsub/inproc"
	"syncline/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const pollInterval = 15 * time.Second

var (
	alice  = record.Owner{0: 2, 32: 1}
	bob    = record.Owner{0: 3, 32: 1}
	silent = slog.New(slog.NewTextHandler(io.Discard, nil))
)

// world is a service with its feed, in a bubble where time passes when all wait.
type world struct {
	*testing.T
	memory  *memory
	bus     *bus
	service *record.Service
	other   *record.Service // of another instance, over the same store and bus
	feed    *feed.Feed
}

// bus is an inproc.Bus; a test may change what becomes of a hint.
type bus struct {
	*inproc.Bus
	publish func(ctx context.Context, hint pubsub.Hint) error // nil: as usual
}

func (b *bus) Publish(ctx context.Context, hint pubsub.Hint) error {
	if b.publish != nil {
		return b.publish(ctx, hint)
	}
	return b.Bus.Publish(ctx, hint)
}

// lose makes the bus lose all hints.
func (b *bus) lose() { b.publish = func(context.Context, pubsub.Hint) error { return nil } }

func inBubble(t *testing.T, test func(w *world)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, memory: newMemory(), bus: &bus{Bus: inproc.New()}}
		w.service = record.NewService(w.memory, w.bus, silent)
		w.other = record.NewService(w.memory, w.bus, silent)
		w.feed = feed.New(w.service, w.bus, pollInterval, silent)
		ctx, stop := context.WithCancel(t.Context())
		stopped := make(chan error, 1)
		go func() { stopped <- w.feed.Run(ctx) }()
		test(w)
		stop()
		if err := <-stopped; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v, want context.Canceled", err)
		}
		w.bus.Close()
	})
}

// write sets a record, whatever its revision is, or deletes it if data is nil.
func (w *world) write(owner record.Owner, id string, data []byte) record.Revision {
	w.Helper()
	return w.writeBy(w.service, owner, id, data)
}

// writeElsewhere does so by the other instance.
func (w *world) writeElsewhere(owner record.Owner, id string, data []byte) record.Revision {
	w.Helper()
	return w.writeBy(w.other, owner, id, data)
}

func (w *world) writeBy(service *record.Service, owner record.Owner, id string, data []byte) record.Revision {
	w.Helper()
	w.memory.mu.Lock()
	current := w.memory.of(owner).records[id].Revision
	w.memory.mu.Unlock()
	request := record.Request{
		Kind:   record.KindSet,
		Writes: []record.Write{{ID: id, Data: data, Delete: data == nil, Revision: current}},
	}
	if data == nil {
		request.Kind = record.KindDelete
	}
	result, err := service.Write(context.Background(), owner, request)
	if err != nil || result.Status != record.Success {
		w.Fatalf("write %q: %+v, %v", id, result, err)
	}
	return result.Head
}

// fill writes the records 1 to n, each at the revision of its name.
func (w *world) fill(owner record.Owner, n int) {
	w.Helper()
	for i := 1; i <= n; i++ {
		w.write(owner, fmt.Sprint(i), []byte("first"))
	}
}

func (w *world) follow(owner record.Owner, since *record.Cursor) *feed.Follower {
	w.Helper()
	follower, err := w.feed.Follow(w.Context(), owner, since)
	if err != nil {
		w.Fatalf("Follow: %v", err)
	}
	w.Cleanup(follower.Close)
	return follower
}

func start() *record.Cursor { return &record.Cursor{} }

func parse(w *world, text string) *record.Cursor {
	w.Helper()
	c, err := record.ParseCursor(text)
	if err != nil {
		w.Fatal(err)
	}
	return &c
}

func (w *world) next(follower *feed.Follower) feed.Event {
	w.Helper()
	event, err := w.try(follower)
	if err != nil {
		w.Fatalf("Next: %v", err)
	}
	return event
}

// try waits for an event for an hour, which passes at once.
func (w *world) try(follower *feed.Follower) (feed.Event, error) {
	ctx, cancel := context.WithTimeout(w.Context(), time.Hour)
	defer cancel()
	return follower.Next(ctx)
}

// show is an event in short: "a:3" for a record, "-a:3" for its tombstone, "|" for CaughtUp.
func show(e feed.Event) string {
	switch {
	case e.Kind == feed.CaughtUp && e.Record == nil:
		return "|"
	case e.Kind == feed.Changed && e.Record.Deleted:
		return fmt.Sprintf("-%s:%d", e.Record.ID, e.Record.Revision)
	case e.Kind == feed.Changed:
		return fmt.Sprintf("%s:%d", e.Record.ID, e.Record.Revision)
	}
	return fmt.Sprintf("nonsense %+v", e)
}

// expect checks the next events, and that they come at once.
func (w *world) expect(follower *feed.Follower, want ...string) {
	w.Helper()
	w.expectAfter(0, follower, want...)
}

func (w *world) expectAfter(d time.Duration, follower *feed.Follower, want ...string) {
	w.Helper()
	start := time.Now()
	for _, s := range want {
		if got := show(w.next(follower)); got != s {
			w.Fatalf("got %s, want %s of %v", got, s, want)
		}
	}
	if took := time.Since(start); took != d {
		w.Errorf("%v came after %v, want %v", want, took, d)
	}
}

// expectNothing checks that no event comes for some time.
func (w *world) expectNothing(follower *feed.Follower, d time.Duration) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), d)
	defer cancel()
	if event, err := follower.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		w.Fatalf("got %s, %v; want nothing", show(event), err)
	}
}

// pass lets time pass.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}
