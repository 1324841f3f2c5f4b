package ratelimit_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"syncline/auth/signing"
	"syncline/internal/testservers"
)

// costly is a document that costs about 7,000, precious one of three times that, and
// modest one of about 90.
const (
	costly   = `{ changes(first: 1000) { records { id data revision } } }`
	precious = `{ a: changes(first: 1000) { records { id data revision } } b: changes(first: 1000) { records { id data revision } } c: changes(first: 1000) { records { id data revision } } }`
	modest   = `{ record(id: "x") { data } }`
)

// Instances that share a Redis keep limits together. While it is away each keeps
// them alone, and serves; when it is back they share them again.
func TestLimitsAreShared(t *testing.T) {
	t.Parallel()
	redis, database := testservers.StartRedis(t), testservers.StartPostgres(t).NewURL(t)
	var instances [2]server
	for i := range instances {
		// A minute's worth is 15,000; what one modest request in 400 ms costs comes back meanwhile.
		instances[i] = start(t, "RATE_COST=250", "RATE_CONNECTIONS=4", "RATE_ADDRESS_FACTOR=0", "DATABASE_URL="+database, "REDIS_URL="+redis.URL())
	}
	shared := func(when string) {
		key := newKey(t)
		awaitFigures(t, redis, instances, key)
		// That is more than anybody has on the other one, for most of a minute.
		testservers.Await(t, "an instance answers "+precious, func(context.Context) bool {
			<-time.After(200 * time.Millisecond)
			return send(t, instances[0], key, http.DefaultTransport, precious).code == ""
		})
		exhaust(t, instances[0], key)
		testservers.Await(t, when+", what an owner took on one instance counts on the other", func(context.Context) bool {
			<-time.After(400 * time.Millisecond)
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

// awaitFigures has an owner take something on both instances until each has heard
// what the other told of it: an instance reads when it tells, so it must have told
// once more after the other did. The costly document sees to it that the owner's
// buckets do not become full, and are not dropped, before all is done.
func awaitFigures(t *testing.T, redis *testservers.Redis, instances [2]server, key signing.PrivateKey) {
	t.Helper()
	for _, s := range instances {
		send(t, s, key, http.DefaultTransport, costly)
	}
	figures := testservers.RedisClient(t, redis.URL())
	var both map[string]string // the lines when both were there first
	testservers.Await(t, "both instances hear each other's figures", func(ctx context.Context) bool {
		<-time.After(400 * time.Millisecond)
		for _, s := range instances {
			send(t, s, key, http.DefaultTransport, modest)
		}
		lines, err := figures.HGetAll(ctx, "syncline:rate:owner:"+key.Public().String()).Result()
		if err != nil || len(lines) < 2 {
			return false
		}
		if both == nil {
			both = lines
		}
		for instance, line := range lines {
			if line == both[instance] {
				return false
			}
		}
		return true
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
