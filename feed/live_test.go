package feed_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"syncline/feed"
	"syncline/pubsub"
	"syncline/record"
)

func TestStatesNobodyTookMerge(t *testing.T) {
	inBubble(t, func(w *world) {
		f := w.follow(alice, nil)
		w.expect(f, "|")
		for i := range 20 {
			w.write(alice, "a", []byte(fmt.Sprint(i)))
		}
		w.write(alice, "b", []byte("x"))
		w.memory.count()
		event := w.next(f)
		if show(event) != "a:20" || string(event.Record.Data) != "19" {
			w.Errorf("got %s %q, want the newest state", show(event), event.Record.Data)
		}
		w.expect(f, "b:21")
		w.expectNothing(f, pollInterval/2)
		if c := w.memory.count(); c.changes != 0 {
			w.Errorf("%d readings for changes that this instance made", c.changes)
		}
	})
}

func TestLostHintsCostDelayOnly(t *testing.T) {
	inBubble(t, func(w *world) {
		w.bus.lose()
		f := w.follow(alice, nil)
		w.expect(f, "|")
		w.write(alice, "a", []byte("x"))
		w.write(alice, "b", []byte("x"))
		w.expectAfter(pollInterval, f, "a:1", "b:2")
		w.expectNothing(f, pollInterval+time.Second)
	})
}

func TestHintsOfWhatIsKnownCauseNoReading(t *testing.T) {
	inBubble(t, func(w *world) {
		w.fill(alice, 3)
		f := w.follow(alice, start())
		w.expect(f, "1:1", "2:2", "3:3", "|")
		w.memory.count()
		for _, revision := range []int64{1, 3, 2, 3} {
			hint := pubsub.Hint{Owner: alice, Topic: pubsub.Records, Revision: revision}
			if err := w.bus.Publish(w.Context(), hint); err != nil {
				w.Fatal(err)
			}
			w.expectNothing(f, time.Second)
		}
		if c := w.memory.count(); c.changes != 0 {
			w.Errorf("%d readings", c.changes)
		}
	})
}

func TestPollingIsOneQueryForAll(t *testing.T) {
	inBubble(t, func(w *world) {
		for i := range 300 {
			w.expect(w.follow(numbered(i/2), nil), "|") // two of each owner
		}
		behind := w.follow(bob, nil) // has begun to read, and knows that there is more
		w.expect(behind, "|")
		w.fill(bob, 100)
		w.expect(behind, "1:1")
		gone := w.follow(alice, nil)
		gone.Close()
		w.memory.count()
		pass(10*pollInterval + time.Second)
		if c := w.memory.count(); c.heads != 10 || c.owners != 150 || c.changes != 0 {
			w.Errorf("%d queries for %d owners, %d readings in 10 intervals; want 10 for 150 and no reading", c.heads, c.owners, c.changes)
		}
	})
}

func numbered(i int) record.Owner {
	o := record.Owner{0: 2}
	binary.BigEndian.PutUint32(o[1:], uint32(i))
	return o
}

func TestNobodyFollowingCostsNoQuery(t *testing.T) {
	inBubble(t, func(w *world) {
		pass(10 * pollInterval)
		if c := w.memory.count(); c.heads != 0 {
			w.Errorf("%d queries", c.heads)
		}
	})
}

// A broker that reconnected tells every follower that hints may be lost. One
// query finds those that missed something.
func TestAReconnectCostsOneQuery(t *testing.T) {
	inBubble(t, func(w *world) {
		got := make(chan string, 500)
		for i := range 500 {
			f := w.follow(numbered(i), nil)
			go func() {
				for {
					event, err := f.Next(w.Context())
					if err != nil {
						return
					}
					got <- show(event)
				}
			}()
		}
		synctest.Wait()
		for range 500 {
			<-got
		}
		w.bus.publish = func(context.Context, pubsub.Hint) error { return nil }
		w.writeElsewhere(numbered(7), "missed", []byte("x"))
		w.bus.publish = nil
		w.memory.count()
		before := time.Now()
		for i := range 500 {
			if err := w.bus.Publish(w.Context(), pubsub.Hint{Owner: numbered(i), Topic: pubsub.Records}); err != nil {
				w.Fatal(err)
			}
		}
		if event := <-got; event != "missed:1" || time.Since(before) > time.Second {
			w.Errorf("got %s after %v", event, time.Since(before))
		}
		synctest.Wait()
		if c := w.memory.count(); c.heads != 1 || c.changes != 1 {
			w.Errorf("%d queries and %d readings", c.heads, c.changes)
		}
	})
}

// Ten thousand followers of others: a write does not ask anything on their behalf.
func TestAWriteConcernsItsOwnersFollowersOnly(t *testing.T) {
	inBubble(t, func(w *world) {
		before := runtime.NumGoroutine()
		for i := range 10_000 {
			w.expect(w.follow(numbered(i), nil), "|")
		}
		if n := runtime.NumGoroutine() - before; n > 5000 { // other tests run beside this one
			w.Errorf("%d goroutines for idle followers", n)
		}
		f := w.follow(alice, nil)
		w.expect(f, "|")
		w.memory.count()
		w.write(alice, "a", []byte("x"))
		w.expect(f, "a:1")
		synctest.Wait()
		if c := w.memory.count(); c.changes != 0 || c.heads != 0 {
			w.Errorf("%d readings and %d queries, want none", c.changes, c.heads)
		}
		w.writeElsewhere(alice, "b", []byte("x"))
		w.expect(f, "b:2")
		synctest.Wait()
		if c := w.memory.count(); c.changes != 1 || c.heads != 0 {
			w.Errorf("%d readings and %d queries, want 1 and 0", c.changes, c.heads)
		}
	})
}

func TestASleepingReaderDelaysNobody(t *testing.T) {
	inBubble(t, func(w *world) {
		asleep := w.follow(alice, start())
		awake := w.follow(alice, nil)
		w.expect(awake, "|")
		for i := 1; i <= 500; i++ {
			w.write(alice, fmt.Sprint(i%100), []byte("x"))
			w.expect(awake, fmt.Sprintf("%d:%d", i%100, i))
		}
		for i := 401; i <= 500; i++ { // the latest states, all of them
			w.expect(asleep, fmt.Sprintf("%d:%d", i%100, i))
		}
		w.expect(asleep, "|")
	})
}

// What was handed out is not kept, even of a page that is still being read.
func TestAFollowerDoesNotKeepWhatItHandedOut(t *testing.T) {
	inBubble(t, func(w *world) {
		for i := range 8 {
			w.write(alice, fmt.Sprint(i), make([]byte, 1000))
		}
		f := w.follow(alice, start())
		first := w.next(f) // kept by its receiver
		var data []weak.Pointer[byte]
		for range 6 { // not all of the page
			data = append(data, weak.Make(&w.next(f).Record.Data[0]))
		}
		runtime.GC()
		runtime.GC()
		for i, p := range data {
			if p.Value() != nil {
				w.Errorf("the data of event %d is still held", i+2)
			}
		}
		runtime.KeepAlive(first)
		runtime.KeepAlive(f)
	})
}

func TestAnEndedContextLosesNothing(t *testing.T) {
	inBubble(t, func(w *world) {
		w.fill(alice, 3)
		f := w.follow(alice, start())
		ended, cancel := context.WithCancel(w.Context())
		cancel()
		for _, want := range []string{"1:1", "2:2", "3:3", "|"} {
			if _, err := f.Next(ended); !errors.Is(err, context.Canceled) {
				w.Fatalf("Next: %v, want context.Canceled", err)
			}
			w.expect(f, want)
		}
		w.write(alice, "a", []byte("x"))
		if _, err := f.Next(ended); !errors.Is(err, context.Canceled) {
			w.Fatalf("Next: %v, want context.Canceled", err)
		}
		w.expect(f, "a:4")
	})
}

func TestFollowerEnds(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(w *world, f *feed.Follower, cancel context.CancelFunc)
		want error
	}{
		"by Close":       {func(_ *world, f *feed.Follower, _ context.CancelFunc) { f.Close(); f.Close() }, feed.ErrClosed},
		"with the bus":   {func(w *world, _ *feed.Follower, _ context.CancelFunc) { w.bus.Close() }, feed.ErrClosed},
		"with a context": {func(_ *world, _ *feed.Follower, cancel context.CancelFunc) { cancel() }, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				f := w.follow(alice, nil)
				w.expect(f, "|")
				ctx, cancel := context.WithCancel(w.Context())
				defer cancel()
				ended := make(chan error, 1)
				go func() {
					_, err := f.Next(ctx)
					ended <- err
				}()
				synctest.Wait()
				c.end(w, f, cancel)
				if err := <-ended; !errors.Is(err, c.want) {
					w.Errorf("Next: %v, want %v", err, c.want)
				}
			})
		})
	}
}

func TestFollowOnAClosedBus(t *testing.T) {
	inBubble(t, func(w *world) {
		w.bus.Close()
		if _, err := w.feed.Follow(w.Context(), alice, nil); !errors.Is(err, pubsub.ErrClosed) {
			w.Errorf("Follow: %v, want pubsub.ErrClosed", err)
		}
	})
}
