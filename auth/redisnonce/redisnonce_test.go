package redisnonce_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"syncline/auth"
	"syncline/auth/noncetest"
	"syncline/auth/redisnonce"
	"syncline/auth/signing"
	"syncline/internal/testservers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, testservers.PausedDial()) }

func TestNonces(t *testing.T) {
	url, prefix := testservers.RedisURL(t)
	conforms(t, url, prefix)
}

func TestNoncesOnCluster(t *testing.T) {
	conforms(t, testservers.StartRedisCluster(t).URL(), "test")
}

func conforms(t *testing.T, url, prefix string) {
	client := testservers.RedisClient(t, url)
	backdate(t, instance(client, time.Now, redisnonce.WithPrefix(prefix)))
	t.Run("one instance", func(t *testing.T) {
		noncetest.Run(t, func(_ *testing.T, now func() time.Time) auth.NonceMemory {
			return instance(client, now, redisnonce.WithPrefix(prefix))
		})
	})
	t.Run("Redis alone", func(t *testing.T) {
		noncetest.Run(t, func(_ *testing.T, now func() time.Time) auth.NonceMemory {
			return redisnonce.New(client, forgetful{}, now, slog.New(slog.DiscardHandler), redisnonce.WithPrefix(prefix), redisnonce.WithLongWait())
		})
	})
}

func instance(client redis.UniversalClient, now func() time.Time, options ...redisnonce.Option) *redisnonce.Nonces {
	return shortWait(client, now, append(options, redisnonce.WithLongWait())...)
}

func shortWait(client redis.UniversalClient, now func() time.Time, options ...redisnonce.Option) *redisnonce.Nonces {
	return redisnonce.New(client, auth.NewMemoryNonces(100_000, now), now, slog.New(slog.DiscardHandler), options...)
}

// forgetful is an instance's memory that has just been restarted, every time.
type forgetful struct{}

func (forgetful) Remember(context.Context, signing.PublicKey, signing.Nonce, time.Time) error {
	return nil
}

var key = signing.PublicKey{2, 32: 1}

// remember is for a signature that is fresh, whatever Redis has forgotten.
func remember(t *testing.T, n *redisnonce.Nonces, nonce signing.Nonce) error {
	t.Helper()
	return rememberSigned(t, n, nonce, time.Now().Add(30*time.Second))
}

func rememberSigned(t *testing.T, n *redisnonce.Nonces, nonce signing.Nonce, created time.Time) error {
	t.Helper()
	return n.Remember(t.Context(), key, nonce, created.Add(auth.MaxAge))
}

// backdate makes the memory in Redis one that has been there for long.
func backdate(t *testing.T, n *redisnonce.Nonces) {
	t.Helper()
	if err := n.Backdate(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
}

func expectNew(t *testing.T, n *redisnonce.Nonces, nonce signing.Nonce) {
	t.Helper()
	if err := remember(t, n, nonce); err != nil {
		t.Errorf("a new nonce: %v", err)
	}
}

func expectReused(t *testing.T, n *redisnonce.Nonces, nonce signing.Nonce) {
	t.Helper()
	if err := remember(t, n, nonce); !errors.Is(err, auth.ErrNonceReused) {
		t.Errorf("a nonce again: %v, want ErrNonceReused", err)
	}
}

func TestSiblingsShare(t *testing.T) {
	t.Parallel()
	url := testservers.StartRedis(t).URL()
	one, two := instance(testservers.RedisClient(t, url), time.Now), instance(testservers.RedisClient(t, url), time.Now)
	nonce := signing.NewNonce()
	expectNew(t, one, nonce)
	expectReused(t, two, nonce)
}

func TestSiblingWhoseClockIsBehind(t *testing.T) {
	t.Parallel()
	server := testservers.StartRedis(t)
	client := testservers.RedisClient(t, server.URL())
	backdate(t, instance(client, time.Now))
	created := time.Now().Add(-299 * time.Second) // to the first instance it is about to expire
	if err := rememberSigned(t, instance(client, time.Now), signing.NewNonce(), created); err != nil {
		t.Fatal(err)
	}
	names, err := client.Keys(t.Context(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return strings.HasSuffix(name, ":beginning") })
	if len(names) != 1 {
		t.Fatalf("keys %q, want one of a nonce", names)
	}
	if ttl, err := client.PTTL(t.Context(), names[0]).Result(); err != nil || ttl < 2*time.Minute || ttl > 11*time.Minute {
		t.Errorf("remembered for %v, %v, want enough for a clock two minutes behind, and not for ever", ttl, err)
	}
}

func TestRedisIsAway(t *testing.T) {
	t.Parallel()
	server := testservers.StartRedis(t)
	var log bytes.Buffer
	n := redisnonce.New(testservers.RedisClient(t, server.URL()), auth.NewMemoryNonces(100_000, time.Now), time.Now, slog.New(slog.NewTextHandler(&log, nil)), redisnonce.WithLongWait())
	shared := signing.NewNonce()
	expectNew(t, n, shared)
	server.Kill()

	alone := signing.NewNonce()
	expectNew(t, n, alone)
	expectReused(t, n, alone)
	expectReused(t, n, shared)
	for range 10 {
		expectNew(t, n, signing.NewNonce())
	}
	if !n.Away() || n.Alone() != 11 {
		t.Errorf("away: %v, %d nonces let in alone, want 11", n.Away(), n.Alone())
	}
	if lines := strings.Count(log.String(), "Redis is away"); lines != 1 {
		t.Errorf("%d lines in the log, want one for the outage:\n%s", lines, &log)
	}

	server.Start()
	awaitBack(t, n)
	if !strings.Contains(log.String(), "Redis is back") {
		t.Errorf("the log does not tell that Redis is back:\n%s", &log)
	}
	nonce := signing.NewNonce()
	expectNew(t, n, nonce)
	expectReused(t, instance(testservers.RedisClient(t, server.URL()), time.Now), nonce)
}

// awaitBack sends nonces until one has reached Redis again.
func awaitBack(t *testing.T, n *redisnonce.Nonces) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for n.Away() {
		_ = remember(t, n, signing.NewNonce())
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("Redis is there and the nonces do not reach it")
		}
	}
}

func TestStrictRefusesWhileRedisIsAway(t *testing.T) {
	t.Parallel()
	server := testservers.StartRedis(t)
	n := instance(testservers.RedisClient(t, server.URL()), time.Now, redisnonce.Strict())
	server.Kill()
	for range 2 {
		if err := remember(t, n, signing.NewNonce()); err == nil || errors.Is(err, auth.ErrNonceReused) {
			t.Errorf("got %v, want an error that says that Redis is away", err)
		}
	}
	if n.Alone() != 0 {
		t.Errorf("%d nonces let in without Redis", n.Alone())
	}
	server.Start()
	awaitBack(t, n)
	expectNew(t, n, signing.NewNonce())
}

func TestRedisHangs(t *testing.T) {
	t.Parallel()
	server := testservers.StartRedis(t)
	n := shortWait(testservers.RedisClient(t, server.URL()), time.Now)
	expectNew(t, n, signing.NewNonce())
	server.Pause()
	defer server.Resume()
	began := time.Now()
	for range 100 {
		expectNew(t, n, signing.NewNonce())
	}
	if took := time.Since(began); took > 25*time.Second { // a quarter of a second each: half of what one waits
		t.Errorf("100 nonces took %v while Redis hangs", took)
	}
	server.Resume()
	awaitBack(t, n)
}

func TestSentinelFailover(t *testing.T) {
	t.Parallel()
	servers := testservers.StartRedisSentinel(t)
	n := instance(testservers.RedisClient(t, servers.URL()), time.Now)
	expectNew(t, n, signing.NewNonce())
	servers.Primary.Kill()
	expectNew(t, n, signing.NewNonce())
	if !n.Away() {
		t.Error("the primary is gone, and nonces are said to be shared")
	}
	awaitBack(t, n)
	nonce := signing.NewNonce()
	expectNew(t, n, nonce)
	expectReused(t, instance(testservers.RedisClient(t, servers.URL()), time.Now), nonce)
}
