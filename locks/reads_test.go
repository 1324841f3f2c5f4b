package locks_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"syncline/locks"
	"syncline/pubsub/inproc"
)

// slow is a locker whose reads show the state in which they began, a moment later.
type slow struct {
	*memory
	takes time.Duration
}

func (s slow) Read(ctx context.Context, keys []locks.Key) ([]locks.Lock, error) {
	found, err := s.memory.Read(ctx, keys)
	select {
	case <-time.After(s.takes):
		return found, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// A change costs one read, or two, however many watch the lock.
func TestWatchersOfALockShareReads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := slow{newMemory(), time.Millisecond}
		bus := inproc.New()
		defer bus.Close()
		service := locks.NewService(store, bus, time.Hour, silent)
		const watchers = 200
		var all sync.WaitGroup
		defer all.Wait() // once they are closed
		states := make([]chan locks.Lock, watchers)
		for i := range states {
			states[i] = make(chan locks.Lock, 10)
			w, err := service.Watch(t.Context(), alice, "a")
			if err != nil {
				t.Fatal(err)
			}
			all.Go(func() {
				for {
					lock, err := w.Next(t.Context())
					if err != nil {
						return
					}
					states[i] <- lock
				}
			})
			defer w.Close()
		}
		for _, holder := range []string{"", "me", "you"} {
			if holder != "" {
				if _, err := service.Acquire(t.Context(), alice, locks.Request{Name: "a", InstanceID: holder, TTL: time.Minute}); err != nil {
					t.Fatal(err)
				}
			}
			for i := range states {
				lock := <-states[i]
				if got := len(lock.Holders); holder == "" && got != 0 || holder == "me" && got != 1 || holder == "you" && got != 2 {
					t.Fatalf("watcher %d sees %+v after %q", i, lock, holder)
				}
			}
			synctest.Wait()
			if reads := store.countReads(); reads > 2 {
				t.Errorf("%d reads for one change (%q)", reads, holder)
			}
		}
	})
}

// A change that comes while a lock is read is not hidden by that read.
func TestAReadThatBeganBeforeAChangeIsNotTheLast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := slow{newMemory(), time.Second}
		bus := inproc.New()
		defer bus.Close()
		service := locks.NewService(store, bus, time.Hour, silent)
		old, err := service.Watch(t.Context(), alice, "a")
		if err != nil {
			t.Fatal(err)
		}
		defer old.Close()
		go func() { _, _ = old.Next(t.Context()) }() // reads the free lock
		synctest.Wait()
		if _, err := service.Acquire(t.Context(), alice, request("a", "me", time.Minute)); err != nil {
			t.Fatal(err)
		}
		late, err := service.Watch(t.Context(), alice, "a")
		if err != nil {
			t.Fatal(err)
		}
		defer late.Close()
		if lock, err := late.Next(t.Context()); err != nil || !lock.Locked() {
			t.Errorf("who asks after a grant sees %+v, %v", lock, err)
		}
	})
}

// Nobody waits for a read longer than he wants to, and no other is harmed by that.
func TestAWatcherThatLeavesDoesNotEndTheReadOfOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		bus := inproc.New()
		defer bus.Close()
		service := locks.NewService(slow{newMemory(), time.Second}, bus, time.Hour, silent)
		first, err := service.Watch(t.Context(), alice, "a")
		if err != nil {
			t.Fatal(err)
		}
		defer first.Close()
		ctx, leave := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer leave()
		began := time.Now()
		done := make(chan error)
		go func() {
			_, err := first.Next(ctx)
			done <- err
		}()
		synctest.Wait()
		second, err := service.Watch(t.Context(), alice, "a")
		if err != nil {
			t.Fatal(err)
		}
		defer second.Close()
		if err := <-done; err == nil || time.Since(began) != 100*time.Millisecond {
			t.Errorf("who left waited %v: %v", time.Since(began), err)
		}
		if _, err := second.Next(t.Context()); err != nil {
			t.Errorf("the other: %v", err)
		}
	})
}
