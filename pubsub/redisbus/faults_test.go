package redisbus_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"syncline/internal/testservers"
	"syncline/pubsub"
	"syncline/pubsub/redisbus"
)

var (
	alice = pubsub.Owner{0: 2, 32: 1}
	bob   = pubsub.Owner{0: 3, 32: 1}
)

// pair is a bus as two instances see it.
func pair(t *testing.T, url string) (here, there *redisbus.Bus) {
	t.Helper()
	here = redisbus.New(testservers.RedisClient(t, url), slog.New(slog.DiscardHandler))
	t.Cleanup(here.Close)
	there = redisbus.New(testservers.RedisClient(t, url), slog.New(slog.DiscardHandler))
	t.Cleanup(there.Close)
	awaitPresent(t, here)
	awaitPresent(t, there)
	return here, there
}

func subscribe(t *testing.T, bus *redisbus.Bus, owner pubsub.Owner) pubsub.Subscription {
	t.Helper()
	s, err := bus.Subscribe(t.Context(), owner, pubsub.Records)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func publish(t *testing.T, bus *redisbus.Bus, owner pubsub.Owner, revision int64) {
	t.Helper()
	if err := bus.Publish(t.Context(), pubsub.Hint{Owner: owner, Topic: pubsub.Records, Revision: revision}); err != nil {
		t.Fatal(err)
	}
}

// receiveRevision takes hints until this one comes.
func receiveRevision(t *testing.T, s pubsub.Subscription, revision int64) {
	t.Helper()
	for receive(t, s).Revision != revision {
	}
}

func TestAfterRestartEverySubscriptionLooksForItself(t *testing.T) {
	t.Parallel()
	server := testservers.StartRedis(t)
	here, there := pair(t, server.URL())
	readers := []pubsub.Subscription{subscribe(t, there, alice), subscribe(t, there, bob), subscribe(t, here, alice)}
	server.Kill()
	awaitAway(t, here)
	awaitAway(t, there)
	server.Start()
	for _, s := range readers {
		receiveRevision(t, s, 0)
	}
	awaitPresent(t, here)
	awaitPresent(t, there)
	publish(t, here, alice, 7)
	receiveRevision(t, readers[0], 7)
}

func TestWhileRedisIsAway(t *testing.T) {
	t.Parallel()
	server := testservers.StartRedis(t)
	here, there := pair(t, server.URL())
	server.Kill()
	awaitAway(t, here)
	awaitAway(t, there)

	local, remote := subscribe(t, here, alice), subscribe(t, there, alice)
	publish(t, here, alice, 5)
	if hint := receive(t, local); hint.Revision != 5 {
		t.Errorf("a reader of the same instance got %v, want revision 5", hint)
	}

	server.Start()
	receiveRevision(t, remote, 0)
	receiveRevision(t, local, 0)
	awaitPresent(t, there)
	publish(t, here, alice, 6)
	receiveRevision(t, remote, 6)
}

// A writer whose own connection fails must not cost the readers on other
// instances, who notice nothing, a poll's time.
func TestHintsThatCouldNotBePublishedAreKept(t *testing.T) {
	t.Parallel()
	server := testservers.StartRedis(t)
	proxy := testservers.StartProxy(t, server.Address)
	here := redisbus.New(testservers.RedisClient(t, "redis://"+proxy.Address), slog.New(slog.DiscardHandler))
	t.Cleanup(here.Close)
	_, there := pair(t, server.URL())
	awaitPresent(t, here)
	var readers []pubsub.Subscription
	for i := range 20 {
		readers = append(readers, subscribe(t, there, pubsub.Owner{0: 2, 1: byte(i)}))
	}

	proxy.Cut()
	awaitAway(t, here)
	for i := range readers {
		publish(t, here, pubsub.Owner{0: 2, 1: byte(i)}, int64(i+1))
	}
	before := proxy.Refused()
	until(t, "it was tried to publish", func() bool { return proxy.Refused() >= before+5 })
	proxy.Mend()
	for i, s := range readers {
		if hint := receive(t, s); hint.Revision != int64(i+1) {
			t.Errorf("got %v, want revision %d", hint, i+1)
		}
	}
}

func TestRedisHangs(t *testing.T) {
	t.Parallel()
	server := testservers.StartRedis(t)
	here, there := pair(t, server.URL())
	reader := subscribe(t, there, alice)
	server.Pause()
	defer server.Resume()

	began := time.Now()
	late := subscribe(t, there, bob)
	publish(t, here, alice, 1)
	if took := time.Since(began); took > wait {
		t.Errorf("Subscribe and Publish took %v while Redis hangs", took)
	}
	awaitAway(t, here)
	awaitAway(t, there)
	began = time.Now()
	const several = 20 // which would take two seconds each if they waited
	for i := range several {
		subscribe(t, there, pubsub.Owner{0: 2, 1: byte(i), 32: 9})
	}
	if took := time.Since(began); took > several*time.Second {
		t.Errorf("%d times Subscribe took %v while Redis is known to be away", several, took)
	}

	server.Resume()
	receiveRevision(t, reader, 0)
	receiveRevision(t, late, 0)
	awaitPresent(t, there)
	publish(t, here, bob, 2)
	receiveRevision(t, late, 2)
}

func TestSubscribeHeedsContextWhileRedisHangs(t *testing.T) {
	t.Parallel()
	server := testservers.StartRedis(t)
	_, there := pair(t, server.URL())
	server.Pause()
	defer server.Resume()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := there.Subscribe(ctx, alice, pubsub.Records); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Subscribe: %v, want the context's error", err)
	}
}

func TestCloseEndsWhileRedisHangs(t *testing.T) {
	t.Parallel()
	server := testservers.StartRedis(t)
	here, _ := pair(t, server.URL())
	s := subscribe(t, here, alice)
	server.Pause()
	defer server.Resume()
	publish(t, here, alice, 1)
	began := time.Now()
	here.Close()
	if took := time.Since(began); took > wait {
		t.Errorf("Close took %v", took)
	}
	for range s.Hints() { // until closed
	}
}

func TestStartsWithoutRedis(t *testing.T) {
	t.Parallel()
	server := testservers.StartRedis(t)
	server.Kill()
	bus := redisbus.New(testservers.RedisClient(t, server.URL()), slog.New(slog.DiscardHandler))
	t.Cleanup(bus.Close)
	s := subscribe(t, bus, alice)
	if !bus.Away() {
		t.Error("Redis is away, and the bus does not say so")
	}
	server.Start()
	receiveRevision(t, s, 0)
	awaitPresent(t, bus)
}

func TestClosePublishesWhatWaits(t *testing.T) {
	t.Parallel()
	server := testservers.StartRedis(t)
	for revision := int64(1); revision <= 20; revision++ {
		here, there := pair(t, server.URL())
		reader := subscribe(t, there, alice)
		publish(t, here, alice, revision)
		here.Close()
		if hint := receive(t, reader); hint.Revision != revision {
			t.Fatalf("got %v, want revision %d", hint, revision)
		}
		there.Close()
	}
}

func TestSubscribedOnlyWhileThereAreReaders(t *testing.T) {
	t.Parallel()
	server := testservers.StartRedis(t)
	here, _ := pair(t, server.URL())
	client := testservers.RedisClient(t, server.URL())
	channels := func(n int) func() bool {
		return func() bool {
			names, err := client.PubSubChannels(t.Context(), "*").Result()
			if err != nil {
				t.Fatal(err)
			}
			return len(names) == n+1 // and one that shows whether any may be heard
		}
	}
	first, second, other := subscribe(t, here, alice), subscribe(t, here, alice), subscribe(t, here, bob)
	until(t, "one channel for each owner", channels(2))
	first.Close()
	other.Close()
	until(t, "bob has no reader left, and no channel", channels(1))
	second.Close()
	until(t, "nobody has a reader left", channels(0))
}

func TestSentinelFailover(t *testing.T) {
	t.Parallel()
	servers := testservers.StartRedisSentinel(t)
	here, there := pair(t, servers.URL())
	reader := subscribe(t, there, alice)
	servers.Primary.Kill()
	awaitAway(t, there)
	receiveRevision(t, reader, 0)
	awaitPresent(t, here)
	publish(t, here, alice, 3)
	receiveRevision(t, reader, 3)
}

func TestClusterNodeDies(t *testing.T) {
	t.Parallel()
	cluster := testservers.StartRedisCluster(t)
	here, there := pair(t, cluster.URL())
	reader := subscribe(t, there, alice)
	cluster.Nodes[2].Kill()
	// Which node the buses were connected to is chance; hints go by any that lives.
	for revision := int64(1); ; revision++ {
		publish(t, here, alice, revision)
		if receive(t, reader).Revision == revision && !here.Away() && !there.Away() {
			return
		}
	}
}
