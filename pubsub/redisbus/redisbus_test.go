package redisbus_test

import (
	"crypto/rand"
	"log/slog"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"syncline/internal/testservers"
	"syncline/pubsub"
	"syncline/pubsub/pubsubtest"
	"syncline/pubsub/redisbus"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, testservers.PausedDial()) }

func TestBus(t *testing.T) {
	url, prefix := testservers.RedisURL(t)
	conforms(t, url, prefix)
}

func TestBusOnCluster(t *testing.T) {
	conforms(t, testservers.StartRedisCluster(t).URL(), "test")
}

func TestBusBehindSentinel(t *testing.T) {
	conforms(t, testservers.StartRedisSentinel(t).URL(), "test")
}

func conforms(t *testing.T, url, prefix string) {
	clients := [2]redis.UniversalClient{testservers.RedisClient(t, url), testservers.RedisClient(t, url)}
	pubsubtest.Run(t, func(t *testing.T) pubsubtest.Harness {
		// Of its own for each test: a cluster's nodes may still pass on to one
		// another what the test before published.
		names := redisbus.WithPrefix(prefix + ":" + rand.Text())
		here := redisbus.New(clients[0], slog.New(slog.DiscardHandler), names)
		there := redisbus.New(clients[1], slog.New(slog.DiscardHandler), names)
		awaitPresent(t, here)
		awaitPresent(t, there)
		return pubsubtest.Harness{Here: here, There: there, Close: func() { here.Close(); there.Close() }}
	})
}

const wait = time.Minute

// until waits for a condition.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(wait)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within %v: %s", wait, what)
		}
	}
}

func awaitPresent(t *testing.T, bus *redisbus.Bus) {
	t.Helper()
	until(t, "Redis is there", func() bool { return !bus.Away() })
}

func awaitAway(t *testing.T, bus *redisbus.Bus) {
	t.Helper()
	until(t, "Redis is away", bus.Away)
}

func receive(t *testing.T, s pubsub.Subscription) pubsub.Hint {
	t.Helper()
	select {
	case hint := <-s.Hints():
		return hint
	case <-time.After(wait):
		t.Fatal("no hint came")
	}
	panic("unreachable")
}
