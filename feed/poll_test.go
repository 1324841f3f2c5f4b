package feed_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"syncline/feed"
)

// polled is a reader that polls when it is woken, and keeps no goroutine.
type polled struct {
	*world
	follower *feed.Follower
	wakes    chan struct{}
}

func (w *world) poll(follower *feed.Follower) polled {
	p := polled{w, follower, make(chan struct{}, 100)}
	follower.Notify(func() { p.wakes <- struct{}{} })
	return p
}

// expect checks what polling brings until there is no more.
func (p polled) expect(want ...string) {
	p.Helper()
	for _, s := range want {
		event, ok, err := p.follower.Poll(p.Context())
		if err != nil || !ok || show(event) != s {
			p.Fatalf("got %s, %v, %v; want %s of %v", show(event), ok, err, s, want)
		}
	}
	if event, ok, err := p.follower.Poll(p.Context()); ok || err != nil {
		p.Fatalf("got %s, %v after %v; want nothing", show(event), err, want)
	}
}

// expectWake checks that the reader is woken after a while, and not before.
func (p polled) expectWake(after time.Duration) {
	p.Helper()
	start := time.Now()
	select {
	case <-p.wakes:
	case <-time.After(time.Hour):
		p.Fatal("not woken")
	}
	if took := time.Since(start); took != after {
		p.Errorf("woken after %v, want %v", took, after)
	}
	for synctest.Wait(); len(p.wakes) > 0; <-p.wakes {
	}
}

func (p polled) expectEnd() {
	p.Helper()
	p.expectWake(0)
	if event, ok, err := p.follower.Poll(p.Context()); !errors.Is(err, feed.ErrClosed) {
		p.Errorf("got %s, %v, %v; want ErrClosed", show(event), ok, err)
	}
}

func TestAPolledFollowerIsWoken(t *testing.T) {
	inBubble(t, func(w *world) {
		w.fill(alice, 2)
		p := w.poll(w.follow(alice, start()))
		p.expect("1:1", "2:2", "|")
		w.write(alice, "a", []byte("x"))
		p.expectWake(0)
		p.expect("a:3")
		w.writeElsewhere(alice, "b", []byte("x"))
		w.writeElsewhere(alice, "c", []byte("x"))
		p.expectWake(0)
		p.expect("b:4", "c:5")
		w.write(bob, "a", []byte("x"))
		if pass(pollInterval * 2); len(p.wakes) > 0 {
			t.Error("woken by nothing")
		}
	})
}

func TestAPolledFollowerIsWokenToWhatHintsDidNotTell(t *testing.T) {
	inBubble(t, func(w *world) {
		w.bus.lose()
		p := w.poll(w.follow(alice, nil))
		p.expect("|")
		w.writeElsewhere(alice, "a", []byte("x"))
		p.expect()
		p.expectWake(pollInterval)
		p.expect("a:1")
	})
}

func TestAPolledFollowerIsWokenToItsEnd(t *testing.T) {
	inBubble(t, func(w *world) {
		closed, left := w.poll(w.follow(alice, nil)), w.poll(w.follow(alice, nil))
		closed.expect("|")
		left.expect("|")
		closed.follower.Close()
		closed.expectEnd()
		w.bus.Close()
		left.expectEnd()
	})
}
