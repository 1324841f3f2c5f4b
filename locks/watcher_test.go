package locks_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"syncline/locks"
	"syncline/pubsub"
	"syncline/pubsub/inproc"
)

const pollInterval = 15 * time.Second

// watch is a service in a bubble of its own, with one watcher of alice's lock "a".
type watch struct {
	*testing.T
	memory  *memory
	bus     *deaf
	service *locks.Service
	watcher *locks.Watcher
}

// inBubble runs a test in a bubble where time passes when all wait.
func inBubble(t *testing.T, test func(w *watch)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &watch{T: t, memory: newMemory(), bus: &deaf{Bus: inproc.New()}}
		w.service = locks.NewService(w.memory, w.bus, pollInterval, silent)
		ctx, stop := context.WithCancel(t.Context())
		stopped := make(chan error, 1)
		go func() { stopped <- w.service.Run(ctx) }()
		w.watcher = w.watch(alice, "a")
		test(w)
		stop()
		if err := <-stopped; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v, want context.Canceled", err)
		}
		w.bus.Close()
	})
}

func (w *watch) watch(owner locks.Owner, name string) *locks.Watcher {
	w.Helper()
	watcher, err := w.service.Watch(w.Context(), owner, name)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(watcher.Close)
	return watcher
}

func (w *watch) acquire(owner locks.Owner, r locks.Request) locks.Grant {
	w.Helper()
	grant, err := w.service.Acquire(w.Context(), owner, r)
	if err != nil || !grant.Acquired {
		w.Fatalf("%+v, %v", grant, err)
	}
	return grant
}

// expect checks who holds the lock in the next state, and how long it took to come.
func (w *watch) expect(watcher *locks.Watcher, after time.Duration, holders ...string) locks.Lock {
	w.Helper()
	start := time.Now()
	ctx, cancel := context.WithTimeout(w.Context(), time.Hour) // which passes at once
	defer cancel()
	lock, err := watcher.Next(ctx)
	if err != nil {
		w.Fatalf("Next: %v", err)
	}
	var got []string
	for _, h := range lock.Holders {
		got = append(got, h.InstanceID)
	}
	if fmt.Sprint(got) != fmt.Sprint(holders) {
		w.Fatalf("held by %q, want %q", got, holders)
	}
	if took := time.Since(start); took != after {
		w.Errorf("the state came after %v, want %v", took, after)
	}
	return lock
}

// expectNothing checks that no state comes for some time.
func (w *watch) expectNothing(watcher *locks.Watcher, d time.Duration) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), d)
	defer cancel()
	if lock, err := watcher.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		w.Fatalf("got %+v, %v; want nothing", lock, err)
	}
}

func TestWatcherShowsEachChange(t *testing.T) {
	inBubble(t, func(w *watch) {
		w.expect(w.watcher, 0)
		first := w.acquire(alice, request("a", "me", time.Minute))
		got := w.expect(w.watcher, 0, "me")
		if !got.Exclusive || got.Holders[0].Token != first.Token {
			w.Errorf("got %+v after %+v", got, first)
		}
		w.acquire(alice, request("a", "me", 2*time.Minute)) // a renewal
		if renewed := w.expect(w.watcher, 0, "me"); !renewed.Holders[0].ExpiresAt.After(first.ExpiresAt) {
			w.Errorf("got %+v after a renewal of %+v", renewed, first)
		}
		if _, err := w.service.Release(w.Context(), alice, "a", "me"); err != nil {
			w.Fatal(err)
		}
		w.expect(w.watcher, 0)
	})
}

func TestWatcherShowsTheStateAtOnce(t *testing.T) {
	inBubble(t, func(w *watch) {
		w.acquire(alice, request("a", "me", time.Minute))
		w.expect(w.watcher, 0, "me")
		w.expectNothing(w.watcher, time.Second) // the hint of the grant tells nothing new
	})
}

func TestWatcherShowsExpiry(t *testing.T) {
	inBubble(t, func(w *watch) {
		w.acquire(alice, locks.Request{Name: "a", InstanceID: "me", TTL: 2 * time.Second})
		w.acquire(alice, locks.Request{Name: "a", InstanceID: "you", TTL: 5 * time.Second})
		w.expect(w.watcher, 0, "me", "you")
		w.expect(w.watcher, 2*time.Second, "you")
		w.expect(w.watcher, 3*time.Second)
		w.expectNothing(w.watcher, time.Hour)
	})
}

// The store's clock decides; what this process believes the time to be does not matter.
func TestWatcherGoesByTheStoresClock(t *testing.T) {
	for _, skew := range []time.Duration{-26 * time.Hour, 26 * time.Hour} {
		t.Run(skew.String(), func(t *testing.T) {
			inBubble(t, func(w *watch) {
				w.memory.skew = skew
				w.acquire(alice, request("a", "me", 7*time.Second))
				w.expect(w.watcher, 0, "me")
				w.expect(w.watcher, 7*time.Second)
			})
		})
	}
}

// A store that has not ended a hold yet when it should is asked again, calmly.
func TestWatcherDoesNotSpinAtExpiry(t *testing.T) {
	inBubble(t, func(w *watch) {
		w.memory.slack = 100 * time.Millisecond
		w.acquire(alice, request("a", "me", time.Second))
		w.expect(w.watcher, 0, "me")
		w.memory.countReads()
		w.expect(w.watcher, 1100*time.Millisecond)
		if n := w.memory.countReads(); n > 30 {
			w.Errorf("%d reads in 100 ms", n)
		}
	})
}

func TestWatcherLearnsByPollingWhatNoHintTold(t *testing.T) {
	inBubble(t, func(w *watch) {
		w.bus.lossy.Store(true)
		w.expect(w.watcher, 0)
		w.acquire(alice, request("a", "me", locks.MaxTTL))
		w.expect(w.watcher, pollInterval, "me")
		w.expectNothing(w.watcher, 2*pollInterval+time.Second)
		if _, err := w.service.Release(w.Context(), alice, "a", "me"); err != nil {
			w.Fatal(err)
		}
		w.expect(w.watcher, pollInterval-time.Second)
	})
}

func TestPollingIsOneQueryForAllWatchers(t *testing.T) {
	inBubble(t, func(w *watch) {
		w.expect(w.watcher, 0)
		for i := range 200 {
			watcher := w.watch(alice, fmt.Sprint("lock ", i/2)) // two of each
			w.expect(watcher, 0)
		}
		gone := w.watch(alice, "gone")
		w.expect(gone, 0)
		gone.Close()
		w.memory.countReads()
		<-time.After(10 * pollInterval)
		synctest.Wait()
		if n := w.memory.countReads(); n != 10 {
			w.Errorf("%d reads in 10 intervals", n)
		}
		if w.memory.keys != 101 {
			w.Errorf("%d locks were read, want each of 101 once", w.memory.keys)
		}
	})
}

func TestWatchersOfOtherLocksSleep(t *testing.T) {
	inBubble(t, func(w *watch) {
		others := []*locks.Watcher{w.watch(bob, "a"), w.watch(alice, "b")}
		for _, other := range others {
			w.expect(other, 0)
		}
		w.memory.countReads()
		w.acquire(alice, request("a", "me", time.Second))
		for _, other := range others {
			w.expectNothing(other, time.Second)
		}
		if n := w.memory.countReads(); n != 0 {
			w.Errorf("%d reads for a lock that nobody here reads", n)
		}
	})
}

func TestWatcherSendsNoStateTwice(t *testing.T) {
	inBubble(t, func(w *watch) {
		w.acquire(alice, request("a", "me", time.Minute))
		w.expect(w.watcher, 0, "me")
		for range 10 {
			if err := w.bus.Publish(w.Context(), pubsub.Hint{Owner: alice, Topic: pubsub.LockTopic("a")}); err != nil {
				w.Fatal(err)
			}
			w.expectNothing(w.watcher, time.Second)
		}
	})
}

func TestWatcherMergesStatesNobodyTook(t *testing.T) {
	inBubble(t, func(w *watch) {
		w.expect(w.watcher, 0)
		for range 50 {
			w.acquire(alice, request("a", "me", time.Minute))
			if _, err := w.service.Release(w.Context(), alice, "a", "me"); err != nil {
				w.Fatal(err)
			}
		}
		w.acquire(alice, request("a", "you", time.Minute))
		w.expect(w.watcher, 0, "you")
	})
}

func TestWatcherOutlivesAnOutage(t *testing.T) {
	inBubble(t, func(w *watch) {
		w.expect(w.watcher, 0)
		w.memory.setDown(true)
		_, _ = w.service.Acquire(w.Context(), alice, request("a", "me", time.Minute)) // wakes the watcher
		go func() {
			<-time.After(20 * time.Second)
			w.memory.setDown(false)
			w.acquire(alice, request("a", "me", time.Minute))
		}()
		start := time.Now()
		lock, err := w.watcher.Next(w.Context())
		if err != nil || !lock.Locked() {
			w.Fatalf("%+v, %v", lock, err)
		}
		if took := time.Since(start); took > 30*time.Second {
			w.Errorf("the state came %v after the outage began, 20 s long", took)
		}
	})
}

func TestWatcherReportsALongOutage(t *testing.T) {
	inBubble(t, func(w *watch) {
		w.memory.setDown(true)
		start := time.Now()
		_, err := w.watcher.Next(w.Context())
		if _, ok := errors.AsType[*locks.UnavailableError](err); !ok {
			w.Fatalf("%v, want an UnavailableError", err)
		}
		if took := time.Since(start); took < 20*time.Second || took > time.Minute {
			w.Errorf("given up after %v", took)
		}
		if n := w.memory.countReads(); n > 20 {
			w.Errorf("%d reads of a store that is down", n)
		}
		w.memory.setDown(false)
		w.expect(w.watcher, 0) // nothing is lost
	})
}

func TestWatcherEnds(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(w *watch, cancel context.CancelFunc)
		want error
	}{
		"by Close":       {func(w *watch, _ context.CancelFunc) { w.watcher.Close(); w.watcher.Close() }, locks.ErrClosed},
		"with the bus":   {func(w *watch, _ context.CancelFunc) { w.bus.Close() }, locks.ErrClosed},
		"with a context": {func(_ *watch, cancel context.CancelFunc) { cancel() }, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *watch) {
				w.expect(w.watcher, 0)
				ctx, cancel := context.WithCancel(w.Context())
				defer cancel()
				ended := make(chan error, 1)
				go func() {
					_, err := w.watcher.Next(ctx)
					ended <- err
				}()
				synctest.Wait()
				c.end(w, cancel)
				if err := <-ended; !errors.Is(err, c.want) {
					w.Errorf("Next: %v, want %v", err, c.want)
				}
			})
		})
	}
}

func TestWatcherEndsDuringAnOutage(t *testing.T) {
	inBubble(t, func(w *watch) {
		w.memory.setDown(true)
		ended := make(chan error, 1)
		go func() {
			_, err := w.watcher.Next(w.Context())
			ended <- err
		}()
		synctest.Wait()
		w.watcher.Close()
		synctest.Wait()
		select {
		case err := <-ended:
			if !errors.Is(err, locks.ErrClosed) {
				w.Errorf("Next: %v, want ErrClosed", err)
			}
		default:
			w.Error("Next still waits after Close")
		}
	})
}
