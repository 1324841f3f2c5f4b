package pubsubtest

import (
	"testing"
	"time"

	"syncline/pubsub"
)

func reachesAll(t *testing.T, h Harness) {
	readers := []pubsub.Subscription{
		subscribe(t, h.Here, alice, pubsub.Records),
		subscribe(t, h.Here, alice, pubsub.Records),
		subscribe(t, h.There, alice, pubsub.Records),
	}
	for i, publisher := range []pubsub.Bus{h.Here, h.There} {
		revision := int64(i + 1)
		publish(t, publisher, alice, pubsub.Records, revision)
		for _, s := range readers {
			expect(t, s, alice, pubsub.Records, revision)
		}
	}
}

func reachesNew(t *testing.T, h Harness) {
	for revision := int64(1); revision <= 100; revision++ {
		s := subscribe(t, h.There, alice, pubsub.Records)
		publish(t, h.Here, alice, pubsub.Records, revision)
		expect(t, s, alice, pubsub.Records, revision)
		s.Close()
	}
}

func isolatesOwners(t *testing.T, h Harness) {
	hers := subscribe(t, h.There, alice, pubsub.Records)
	his := subscribe(t, h.There, bob, pubsub.Records)
	publish(t, h.Here, alice, pubsub.Records, 9)
	publish(t, h.Here, bob, pubsub.Records, 1)
	expect(t, his, bob, pubsub.Records, 1)
	expect(t, hers, alice, pubsub.Records, 9)
}

func isolatesTopics(t *testing.T, h Harness) {
	records := subscribe(t, h.There, alice, pubsub.Records)
	lock := subscribe(t, h.There, alice, pubsub.LockTopic("a"))
	publish(t, h.Here, alice, pubsub.Records, 9)
	publish(t, h.Here, alice, pubsub.LockTopic("b"), 8)
	publish(t, h.Here, alice, pubsub.LockTopic("a"), 1)
	expect(t, lock, alice, pubsub.LockTopic("a"), 1)
	expect(t, records, alice, pubsub.Records, 9)
}

func keepsAwkwardTopicsApart(t *testing.T, h Harness) {
	names := []string{"records", "a", "a:b", "a b", "*", "a*", "[ab]", "?", `a\`, "a/b", "a|b", "a.b", "a\u00a0b", "é", "e\u0301", "ß", "💾", " ", "A"}
	readers := make(map[string]pubsub.Subscription)
	for _, name := range names {
		readers[name] = subscribe(t, h.There, alice, pubsub.LockTopic(name))
	}
	for i, name := range names { // descending: what strays would win any merge
		publish(t, h.Here, alice, pubsub.LockTopic(name), int64(len(names)-i))
	}
	for i, name := range names {
		expect(t, readers[name], alice, pubsub.LockTopic(name), int64(len(names)-i))
	}
}

// drainTo takes hints until the marker comes, which must be the last: a bus
// between instances may deliver what waits in several parts.
func drainTo(t *testing.T, s pubsub.Subscription, marker int64) {
	t.Helper()
	for last := int64(-1); last != marker; {
		last = receive(t, s).Revision
	}
}

func mergesToNewest(t *testing.T, h Harness) {
	s := subscribe(t, h.Here, alice, pubsub.Records)
	for revision := int64(1); revision <= 1000; revision++ {
		publish(t, h.Here, alice, pubsub.Records, revision)
	}
	drainTo(t, s, 1000)
}

func mergesReordered(t *testing.T, h Harness) {
	s := subscribe(t, h.Here, alice, pubsub.Records)
	last := subscribe(t, h.Here, alice, pubsub.LockTopic("marker"))
	publish(t, h.Here, alice, pubsub.Records, 7)
	publish(t, h.Here, alice, pubsub.Records, 3)
	publish(t, h.Here, alice, pubsub.LockTopic("marker"), 1)
	expect(t, last, alice, pubsub.LockTopic("marker"), 1) // so both have arrived
	expect(t, s, alice, pubsub.Records, 7)
}

func mergesUnknown(t *testing.T, h Harness) {
	for _, revisions := range [][]int64{{0, 5}, {5, 0}} {
		s := subscribe(t, h.Here, alice, pubsub.Records)
		last := subscribe(t, h.Here, alice, pubsub.LockTopic("marker"))
		for _, revision := range revisions {
			publish(t, h.Here, alice, pubsub.Records, revision)
		}
		publish(t, h.Here, alice, pubsub.LockTopic("marker"), 1)
		expect(t, last, alice, pubsub.LockTopic("marker"), 1)
		expect(t, s, alice, pubsub.Records, 0)
		s.Close()
		last.Close()
	}
}

func deliversMergedOnce(t *testing.T, h Harness) {
	s := subscribe(t, h.Here, alice, pubsub.Records)
	last := subscribe(t, h.Here, alice, pubsub.LockTopic("marker"))
	for revision := int64(1); revision <= 10; revision++ {
		publish(t, h.Here, alice, pubsub.Records, revision)
	}
	publish(t, h.Here, alice, pubsub.LockTopic("marker"), 1)
	expect(t, last, alice, pubsub.LockTopic("marker"), 1)
	expect(t, s, alice, pubsub.Records, 10)
	publish(t, h.Here, alice, pubsub.Records, 11)
	expect(t, s, alice, pubsub.Records, 11)
}

func neverWaits(t *testing.T, h Harness) {
	asleep := subscribe(t, h.Here, alice, pubsub.Records)
	awake := subscribe(t, h.Here, alice, pubsub.Records)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for revision := int64(1); revision <= 2000; revision++ {
			_ = h.Here.Publish(t.Context(), pubsub.Hint{Owner: alice, Topic: pubsub.Records, Revision: revision})
		}
	}()
	select {
	case <-done:
	case <-time.After(wait):
		t.Fatal("the publisher waits for a subscription that nobody reads")
	}
	drainTo(t, awake, 2000)
	drainTo(t, asleep, 2000)
}
