package transporttest

import (
	"context"
	stderrors "errors"
	"testing"
	"time"

	"syncline/synckit"
	"syncline/synckit/errors"
)

// A listener is a subscription that runs.
type listener struct {
	wakes chan int   // how many events came
	ended chan error // why it ended
	stop  context.CancelFunc
}

// listen subscribes, and waits until what is pushed from then on wakes.
func listen(t *testing.T, peer Peer, transport synckit.Transport) *listener {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	l := &listener{wakes: make(chan int, 1000), ended: make(chan error, 1), stop: stop}
	t.Cleanup(stop)
	go func() {
		l.ended <- transport.Subscribe(ctx, func(events []synckit.EventWithVersion) error {
			select {
			case l.wakes <- len(events):
			default: // the test has seen enough
			}
			return nil
		})
	}()
	l.awaitWake(t, connect(t, peer))
	return l
}

// awaitWake pushes new events until the listener is woken by one: nothing tells
// when a subscription has begun.
func (l *listener) awaitWake(t *testing.T, transport synckit.Transport) {
	t.Helper()
	tick, late := time.NewTicker(50*time.Millisecond), time.After(patience)
	defer tick.Stop()
	push(t, transport, newEvents(1)...)
	for {
		select {
		case n := <-l.wakes:
			if n > 0 {
				return
			}
		case err := <-l.ended:
			if err != nil {
				t.Fatalf("the subscription ended: %v", err)
			}
			l.ended = nil // it goes on in the background
		case <-tick.C:
			push(t, transport, newEvents(1)...)
		case <-late:
			t.Fatal("the subscription is not woken")
		}
	}
}

// awaitEnd waits for the end of a subscription. One whose Subscribe returned at
// once has no end to see.
func (l *listener) awaitEnd(t *testing.T) error {
	t.Helper()
	if l.ended == nil {
		return nil
	}
	select {
	case err := <-l.ended:
		return err
	case <-time.After(patience):
		t.Fatal("the subscription has not ended")
		return nil
	}
}

func subscribes(t *testing.T, peer Peer) {
	l := listen(t, peer, connect(t, peer))
	l.awaitWake(t, connect(t, peer))
}

func subscribesTwice(t *testing.T, peer Peer) {
	transport := connect(t, peer)
	first, second := listen(t, peer, transport), listen(t, peer, transport)
	first.awaitWake(t, transport)
	second.awaitWake(t, transport)
	first.stop()
	if err := first.awaitEnd(t); err != nil && !stderrors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	second.awaitWake(t, transport)
}

func endsSubscriptionWithContext(t *testing.T, peer Peer) {
	l := listen(t, peer, connect(t, peer))
	l.stop()
	if err := l.awaitEnd(t); err != nil && !stderrors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func endsSubscriptionWithClose(t *testing.T, peer Peer) {
	transport := connect(t, peer)
	l := listen(t, peer, transport)
	if err := transport.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.awaitEnd(t); l.ended != nil && errors.CodeOf(err) != errors.Closed {
		t.Errorf("got %v, want %s", err, errors.Closed)
	}
}

func endsSubscriptionWithHandler(t *testing.T, peer Peer) {
	transport := connect(t, peer)
	enough := stderrors.New("enough")
	called, ended := make(chan struct{}), make(chan error, 1)
	calls := 0
	go func() {
		ended <- transport.Subscribe(t.Context(), func([]synckit.EventWithVersion) error {
			if calls++; calls == 1 {
				close(called)
			}
			return enough
		})
	}()
	tick, late := time.NewTicker(50*time.Millisecond), time.After(patience)
	defer tick.Stop()
	for {
		select {
		case <-called:
			called = nil
		case err := <-ended:
			switch {
			case stderrors.Is(err, enough):
			case err != nil:
				t.Errorf("got %v, want %v", err, enough)
			default:
				t.Log("the subscription goes on in the background: it has no end to see")
			}
			return
		case <-tick.C:
			push(t, connect(t, peer), newEvents(1)...)
		case <-late:
			t.Fatal("the subscription has not ended")
		}
	}
}

func resumesSubscription(t *testing.T, peer Peer) {
	transport := connect(t, peer)
	l := listen(t, peer, transport)
	for range 2 {
		peer.Stop(t)
		peer.Start(t)
		pushSoon(t, transport, newEvents(1)...)
		l.awaitWake(t, transport)
	}
}
