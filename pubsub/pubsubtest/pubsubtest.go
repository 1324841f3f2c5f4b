// Package pubsubtest is the conformance suite of pubsub.Bus.
package pubsubtest

import (
	"context"
	"testing"
	"time"

	"syncline/pubsub"
)

// Harness is one bus, fresh for each test.
type Harness struct {
	// Here and There are the bus as two instances see it. A bus that lives in
	// one process is the same twice.
	Here, There pubsub.Bus
	// Close closes both. The suite calls it in some tests, more than once too;
	// the harness sees to it that it is called at the end of all.
	Close func()
}

// wait bounds how long a hint that must come may take. It is generous: only a
// failing test waits so long.
const wait = 20 * time.Second

var (
	alice = pubsub.Owner{0: 2, 32: 1}
	bob   = pubsub.Owner{0: 3, 32: 1}
)

// Run runs the suite over the bus that newHarness makes.
//
// That no hint comes is never tested by waiting: a test publishes what must not
// arrive, then something that must, and looks at what arrives first.
func Run(t *testing.T, newHarness func(t *testing.T) Harness) {
	tests := map[string]func(*testing.T, Harness){
		"a hint reaches every subscription to its topic":  reachesAll,
		"a publish after Subscribe returned is not lost":  reachesNew,
		"owners are isolated":                             isolatesOwners,
		"topics are isolated":                             isolatesTopics,
		"awkward topics stay apart":                       keepsAwkwardTopicsApart,
		"waiting hints merge into the newest":             mergesToNewest,
		"an older hint does not hide a newer one":         mergesReordered,
		"revision 0 survives merging":                     mergesUnknown,
		"a merged hint leaves nothing behind":             deliversMergedOnce,
		"a publisher does not wait for its readers":       neverWaits,
		"a reader that does not wait is woken":            wakes,
		"a subscription's Close ends that one only":       closesOne,
		"a subscription closes while hints come":          closesDuringPublish,
		"the bus's Close ends all subscriptions":          closesAll,
		"a closed bus refuses":                            refusesWhenClosed,
		"an ended context subscribes to nothing":          heedsContext,
		"thousands of subscriptions each get their hint":  servesThousands,
		"subscribing and publishing may race":             survivesRaces,
		"a closed subscription leaves no goroutine":       leavesNoGoroutine,
		"a subscription may be made anew after its Close": subscribesAgain,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			t.Cleanup(h.Close)
			test(t, h)
		})
	}
}

func subscribe(t *testing.T, bus pubsub.Bus, owner pubsub.Owner, topic pubsub.Topic) pubsub.Subscription {
	t.Helper()
	s, err := bus.Subscribe(t.Context(), owner, topic)
	if err != nil {
		t.Fatalf("Subscribe: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

func publish(t *testing.T, bus pubsub.Bus, owner pubsub.Owner, topic pubsub.Topic, revision int64) {
	t.Helper()
	if err := bus.Publish(t.Context(), pubsub.Hint{Owner: owner, Topic: topic, Revision: revision}); err != nil {
		t.Fatalf("Publish: %v", err)
	}
}

// expect takes the next hint and checks that it is the one expected.
func expect(t *testing.T, s pubsub.Subscription, owner pubsub.Owner, topic pubsub.Topic, revision int64) {
	t.Helper()
	got := receive(t, s)
	if want := (pubsub.Hint{Owner: owner, Topic: topic, Revision: revision}); got != want {
		t.Fatalf("got hint %v, want %v", got, want)
	}
}

func receive(t *testing.T, s pubsub.Subscription) pubsub.Hint {
	t.Helper()
	select {
	case hint, ok := <-s.Hints():
		if !ok {
			t.Fatal("Hints is closed")
		}
		return hint
	case <-time.After(wait):
		t.Fatal("no hint came")
	}
	panic("unreachable")
}

// expectClosed checks that Hints gets closed, after what it may still hold.
func expectClosed(t *testing.T, s pubsub.Subscription) {
	t.Helper()
	deadline := time.After(wait)
	for {
		select {
		case _, ok := <-s.Hints():
			if !ok {
				return
			}
		case <-deadline:
			t.Fatal("Hints is still open")
		}
	}
}

func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
