package ratelimit_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"syncline/auth/signing"
	"syncline/internal/testservers"
)

// costly is a document that costs about 10,000; modest one of about 100.
const (
	costly = `{ changes(first: 1000) { records { id data revision } } }`
	modest = `{ record(id: "x") { data } }`
)

// Instances that share a Redis keep limits together. While it is away each keeps
// them alone, and serves; when it is back they share them again.
func TestLimitsAreShared(t *testing.T) {
	t.Parallel()
	redis := testservers.StartRedis(t)
	var instances [2]server
	for i := range instances {
		// A minute's worth is 60,000; five modest requests a second are less than comes back.
		instances[i] = start(t, "RATE_COST=1000", "RATE_CONNECTIONS=4", "RATE_ADDRESS_FACTOR=0", "REDIS_URL="+redis.URL())
	}
	shared := func(when string) {
		key := newKey(t)
		awaitFigures(t, redis, instances, key)
		exhaust(t, instances[0], key)
		testservers.Await(t, when+", what an owner took on one instance counts on the other", func(context.Context) bool {
			<-time.After(200 * time.Millisecond)
			return send(t, instances[1], key, http.DefaultTransport, modest).code == "RATE_LIMITED"
		})
	}
	shared("at first")
	t.Run("connections", func(t *testing.T) {
		key := newKey(t)
		for range 3 {
			if _, ok := connect(t, instances[0], key); !ok {
				t.Fatal("three of four connections are refused")
			}
		}
		if _, ok := connect(t, instances[1], key); !ok {
			t.Fatal("the fourth is refused")
		}
		testservers.Await(t, "a fifth connection is refused", func(context.Context) bool {
			<-time.After(200 * time.Millisecond)
			c, ok := connect(t, instances[1], key)
			c.Close() // so that there are never five on one instance
			return !ok
		})
	})

	redis.Kill()
	key := newKey(t)
	exhaust(t, instances[0], key)
	if a := send(t, instances[1], key, http.DefaultTransport, modest); a.status != http.StatusOK {
		t.Errorf("while Redis is away the other instance answers %+v", a)
	}
	redis.Start()
	shared("when Redis is back, empty")
}

// awaitFigures asks both instances now and then until each has told what an owner
// took, and had the time to hear of the other.
func awaitFigures(t *testing.T, redis *testservers.Redis, instances [2]server, key signing.PrivateKey) {
	t.Helper()
	figures := testservers.RedisClient(t, redis.URL())
	since := time.Time{}
	testservers.Await(t, "both instances tell their figures", func(ctx context.Context) bool {
		<-time.After(200 * time.Millisecond)
		for _, s := range instances {
			send(t, s, key, http.DefaultTransport, modest)
		}
		if n, _ := figures.HLen(ctx, "syncline:rate:owner:"+key.Public().String()).Result(); n < 2 {
			return false
		}
		if since.IsZero() {
			since = time.Now()
		}
		return time.Since(since) > 3*time.Second
	})
}

// exhaust takes what an owner may take on an instance.
func exhaust(t *testing.T, s server, key signing.PrivateKey) {
	t.Helper()
	for range 100 {
		if send(t, s, key, http.DefaultTransport, costly).code == "RATE_LIMITED" {
			return
		}
	}
	t.Error("nothing is limited")
}

// connect opens a WebSocket, and tells whether it was let in.
func connect(t *testing.T, s server, key signing.PrivateKey) (socket, bool) {
	t.Helper()
	c, _ := dial(t, s, from("127.0.0.1"))
	return c, c.initialise(t, key) == nil
}
