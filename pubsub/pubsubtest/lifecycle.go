package pubsubtest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"syncline/pubsub"
)

func closesOne(t *testing.T, h Harness) {
	closed := subscribe(t, h.There, alice, pubsub.Records)
	open := subscribe(t, h.There, alice, pubsub.Records)
	closed.Close()
	closed.Close()
	expectClosed(t, closed)
	publish(t, h.Here, alice, pubsub.Records, 1)
	expect(t, open, alice, pubsub.Records, 1)
}

func subscribesAgain(t *testing.T, h Harness) {
	for revision := int64(1); revision <= 3; revision++ {
		s := subscribe(t, h.There, alice, pubsub.Records)
		publish(t, h.Here, alice, pubsub.Records, revision)
		expect(t, s, alice, pubsub.Records, revision)
		s.Close()
		expectClosed(t, s)
	}
}

func closesDuringPublish(t *testing.T, h Harness) {
	var publishers sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		publishers.Go(func() {
			for revision := int64(1); ; revision++ {
				select {
				case <-stop:
					return
				default:
					_ = h.Here.Publish(t.Context(), pubsub.Hint{Owner: alice, Topic: pubsub.Records, Revision: revision})
				}
			}
		})
	}
	for range 50 {
		s := subscribe(t, h.There, alice, pubsub.Records)
		receive(t, s)
		var closers sync.WaitGroup
		closers.Go(s.Close)
		closers.Go(s.Close)
		closers.Wait()
		expectClosed(t, s)
	}
	close(stop)
	publishers.Wait()
}

func closesAll(t *testing.T, h Harness) {
	readers := []pubsub.Subscription{
		subscribe(t, h.Here, alice, pubsub.Records),
		subscribe(t, h.Here, bob, pubsub.LockTopic("a")),
		subscribe(t, h.There, alice, pubsub.Records),
	}
	h.Close()
	h.Close()
	for _, s := range readers {
		expectClosed(t, s)
		s.Close()
	}
}

func refusesWhenClosed(t *testing.T, h Harness) {
	h.Close()
	if err := h.Here.Publish(t.Context(), pubsub.Hint{Owner: alice, Topic: pubsub.Records}); !errors.Is(err, pubsub.ErrClosed) {
		t.Errorf("Publish on a closed bus: %v, want ErrClosed", err)
	}
	if _, err := h.Here.Subscribe(t.Context(), alice, pubsub.Records); !errors.Is(err, pubsub.ErrClosed) {
		t.Errorf("Subscribe on a closed bus: %v, want ErrClosed", err)
	}
}

func heedsContext(t *testing.T, h Harness) {
	if _, err := h.Here.Subscribe(ended(), alice, pubsub.Records); !errors.Is(err, context.Canceled) {
		t.Fatalf("Subscribe with an ended context: %v, want context.Canceled", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s, err := h.There.Subscribe(ctx, alice, pubsub.Records)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	cancel() // bounds the call, not the subscription
	publish(t, h.Here, alice, pubsub.Records, 1)
	expect(t, s, alice, pubsub.Records, 1)
}

func servesThousands(t *testing.T, h Harness) {
	const n = 5000
	readers := make([]pubsub.Subscription, n)
	for i := range readers {
		readers[i] = subscribe(t, h.There, numbered(i), pubsub.Records)
	}
	for i := range readers {
		publish(t, h.Here, numbered(i), pubsub.Records, int64(i+1))
	}
	for i, s := range readers {
		expect(t, s, numbered(i), pubsub.Records, int64(i+1))
	}
}

func numbered(i int) pubsub.Owner {
	return pubsub.Owner{0: 2, 1: byte(i >> 8), 2: byte(i)}
}

func survivesRaces(t *testing.T, h Harness) {
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			own := pubsub.LockTopic(string(rune('a' + worker)))
			for revision := int64(1); revision <= 100; revision++ {
				s, err := h.There.Subscribe(t.Context(), alice, own)
				if err != nil {
					t.Error(err)
					return
				}
				if err := h.Here.Publish(t.Context(), pubsub.Hint{Owner: alice, Topic: own, Revision: revision}); err != nil {
					t.Error(err)
				}
				select {
				case hint := <-s.Hints():
					if hint.Revision != revision {
						t.Errorf("got revision %d, want %d", hint.Revision, revision)
					}
				case <-time.After(wait):
					t.Error("no hint came")
				}
				s.Close()
			}
		})
	}
	all.Wait()
}

func leavesNoGoroutine(t *testing.T, h Harness) {
	subscribe(t, h.There, bob, pubsub.Records) // whatever the bus starts once
	before := goleak.IgnoreCurrent()
	for i := range 100 {
		s := subscribe(t, h.There, numbered(i), pubsub.Records)
		publish(t, h.Here, numbered(i), pubsub.Records, 1)
		receive(t, s)
		s.Close()
	}
	goleak.VerifyNone(t, before)
}
