package pubsubtest

import (
	"testing"
	"time"

	"syncline/pubsub"
)

func wakes(t *testing.T, h Harness) {
	s, other := subscribe(t, h.There, alice, pubsub.Records), subscribe(t, h.There, bob, pubsub.Records)
	woken, otherWoken := notify(s), notify(other)
	for revision := int64(1); revision <= 2; revision++ {
		publish(t, h.Here, alice, pubsub.Records, revision)
		await(t, woken)
		expectAtHand(t, s, revision)
	}
	s.Close()
	await(t, woken)
	if len(otherWoken) != 0 {
		t.Error("another owner's reader was woken")
	}
	h.Close()
	await(t, otherWoken)
}

// notify answers a channel that holds a word once the subscription's reader was woken.
func notify(s pubsub.Subscription) <-chan struct{} {
	woken := make(chan struct{}, 1)
	s.Notify(func() {
		select {
		case woken <- struct{}{}:
		default:
		}
	})
	return woken
}

func await(t *testing.T, woken <-chan struct{}) {
	t.Helper()
	select {
	case <-woken:
	case <-time.After(wait):
		t.Fatal("the reader was not woken")
	}
}

// expectAtHand checks that the hint is there without waiting.
func expectAtHand(t *testing.T, s pubsub.Subscription, revision int64) {
	t.Helper()
	select {
	case hint := <-s.Hints():
		if hint.Revision != revision {
			t.Fatalf("woken to revision %d, want %d", hint.Revision, revision)
		}
	default:
		t.Fatal("woken to nothing")
	}
}
