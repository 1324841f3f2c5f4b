package feed_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"syncline/feed"
	"syncline/record"
)

func TestAnOutageIsSatOut(t *testing.T) {
	inBubble(t, func(w *world) {
		f := w.follow(alice, nil)
		w.expect(f, "|")
		w.write(alice, "a", []byte("x"))
		w.memory.setDown(true)
		time.AfterFunc(20*time.Second, func() { w.memory.setDown(false) })
		began := time.Now()
		if event := w.next(f); show(event) != "a:1" {
			w.Errorf("got %s", show(event))
		}
		if took := time.Since(began); took > 30*time.Second {
			w.Errorf("the event came %v after an outage of 20 s began", took)
		}
	})
}

func TestALongOutageIsReported(t *testing.T) {
	inBubble(t, func(w *world) {
		w.fill(alice, 40)
		f := w.follow(alice, start())
		w.expect(f, "1:1")
		w.memory.setDown(true)
		w.memory.count()
		began := time.Now()
		var err error
		for err == nil { // the rest of the page first
			_, err = w.try(f)
		}
		if _, ok := errors.AsType[*record.UnavailableError](err); !ok {
			w.Fatalf("%v, want an UnavailableError", err)
		}
		if took := time.Since(began); took < 20*time.Second || took > time.Minute {
			w.Errorf("given up after %v", took)
		}
		if c := w.memory.count(); c.changes > 30 {
			w.Errorf("%d readings of a store that is down", c.changes)
		}
		w.memory.setDown(false)
		w.expect(f, "33:33", "34:34") // its place was kept
	})
}

func TestFollowDuringAnOutage(t *testing.T) {
	inBubble(t, func(w *world) {
		w.memory.setDown(true)
		if _, err := w.feed.Follow(w.Context(), alice, nil); !isUnavailable(err) {
			w.Errorf("Follow: %v, want an UnavailableError", err)
		}
		f := w.follow(alice, start())
		w.memory.setDown(false)
		w.expect(f, "|")
	})
}

func isUnavailable(err error) bool {
	_, ok := errors.AsType[*record.UnavailableError](err)
	return ok
}

func TestPollingGoesOnAfterAnOutage(t *testing.T) {
	inBubble(t, func(w *world) {
		f := w.follow(alice, nil)
		w.expect(f, "|")
		w.bus.lose()
		w.write(alice, "a", []byte("x"))
		w.memory.setDown(true)
		pass(3*pollInterval + time.Second)
		w.memory.setDown(false)
		w.expectAfter(pollInterval-time.Second, f, "a:1")
	})
}

func TestCloseEndsAWaitForTheStore(t *testing.T) {
	inBubble(t, func(w *world) {
		w.memory.setDown(true)
		f := w.follow(alice, start())
		ended := make(chan error, 1)
		go func() {
			_, err := f.Next(w.Context())
			ended <- err
		}()
		synctest.Wait()
		f.Close()
		synctest.Wait()
		select {
		case err := <-ended:
			if !errors.Is(err, feed.ErrClosed) {
				w.Errorf("Next: %v, want ErrClosed", err)
			}
		default:
			w.Error("Next still waits after Close")
		}
	})
}

// A database restored beneath a running service is noticed without any hint.
func TestARestoreEndsLiveFollowers(t *testing.T) {
	inBubble(t, func(w *world) {
		w.fill(alice, 3)
		f := w.follow(alice, nil)
		w.expect(f, "|")
		w.memory.restore(alice)
		began := time.Now()
		_, err := w.try(f)
		if _, ok := errors.AsType[*record.EpochMismatchError](err); !ok {
			w.Errorf("%v, want an EpochMismatchError", err)
		}
		if took := time.Since(began); took != pollInterval {
			w.Errorf("noticed after %v, want the next poll", took)
		}
	})
}
