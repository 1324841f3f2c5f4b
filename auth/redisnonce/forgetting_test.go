package redisnonce_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"syncline/auth"
	"syncline/auth/redisnonce"
	"syncline/auth/signing"
	"syncline/internal/testservers"
)

func expectForgotten(t *testing.T, n *redisnonce.Nonces, nonce signing.Nonce, created time.Time) {
	t.Helper()
	err := rememberSigned(t, n, nonce, created)
	forgotten, ok := errors.AsType[*auth.ForgottenError](err)
	if !ok {
		t.Errorf("a signature that Redis may have forgotten: %v, want a ForgottenError", err)
		return
	}
	if wait := time.Until(forgotten.Before); wait > 0 || wait < -time.Minute {
		t.Errorf("signatures are taken from %v on, which is %v away", forgotten.Before, wait)
	}
}

// What Redis cannot tell any more is refused by instances that never knew it: those
// that started since, and siblings. What is signed afterwards serves, once.
func TestForgetting(t *testing.T) {
	t.Parallel()
	restart := func(_ *testing.T, r *testservers.Redis) {
		r.Kill()
		r.Start()
	}
	for name, test := range map[string]struct {
		before, after func(*testing.T, *testservers.Redis) // the nonces
	}{
		"started again, empty": {func(*testing.T, *testservers.Redis) {}, restart},
		"started again with an older file": {func(t *testing.T, r *testservers.Redis) { do(t, r, "SAVE") }, func(t *testing.T, r *testservers.Redis) {
			restart(t, r)
			if beginnings(t, r) == 0 {
				t.Error("it did not read its file")
			}
		}},
		"emptied": {func(*testing.T, *testservers.Redis) {}, func(t *testing.T, r *testservers.Redis) { do(t, r, "FLUSHALL") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := testservers.StartRedis(t)
			one := instance(testservers.RedisClient(t, server.URL()), time.Now)
			sibling := instance(testservers.RedisClient(t, server.URL()), time.Now)
			backdate(t, one)
			test.before(t, server)
			created := time.Now().Truncate(time.Second)
			old := []signing.Nonce{{1}, {2}, {3}, {4}}
			for _, nonce := range old {
				if err := rememberSigned(t, one, nonce, created); err != nil {
					t.Fatal(err)
				}
			}
			test.after(t, server)
			restarted := instance(testservers.RedisClient(t, server.URL()), time.Now)
			expectForgotten(t, sibling, old[0], created)
			expectForgotten(t, restarted, old[1], created)
			expectForgotten(t, sibling, old[2], created.Add(-time.Minute))
			expectReused(t, one, old[3]) // by its own memory

			expectNew(t, sibling, signing.Nonce{5})
			expectReused(t, restarted, signing.Nonce{5})
		})
	}
}

func do(t *testing.T, r *testservers.Redis, command ...any) {
	t.Helper()
	if err := testservers.RedisClient(t, r.URL()).Do(t.Context(), command...).Err(); err != nil {
		t.Fatal(err)
	}
}

// beginnings counts the keys that say when the memory began.
func beginnings(t *testing.T, r *testservers.Redis) int {
	t.Helper()
	names, err := testservers.RedisClient(t, r.URL()).Keys(t.Context(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, name := range names {
		if strings.HasSuffix(name, ":beginning") {
			n++
		}
	}
	return n
}

// One request that meets the loss has all parts of the memory begin, so that only
// signatures from before are refused, not one fresh request for each part.
func TestAllBeginsAtOnce(t *testing.T) {
	t.Parallel()
	server := testservers.StartRedis(t)
	n := instance(testservers.RedisClient(t, server.URL()), time.Now)
	_ = remember(t, n, signing.NewNonce())
	first := time.Now().Truncate(time.Second).Add(time.Second)
	<-time.After(time.Until(first))
	for range 100 {
		if err := rememberSigned(t, n, signing.NewNonce(), first); err != nil {
			t.Fatalf("signed after Redis began: %v", err)
		}
	}
}

// noPipelines is a Redis that goes away once it has answered.
type noPipelines struct{}

func (noPipelines) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (noPipelines) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (noPipelines) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []redis.Cmder) error {
		if commands[0].Name() == "eval" {
			return errors.New("away")
		}
		return next(ctx, commands) // what a new connection begins with
	}
}

// What Redis answered holds also if it goes away before its other parts have begun.
func TestForgettingByARedisThatGoesAway(t *testing.T) {
	t.Parallel()
	client := testservers.RedisClient(t, testservers.StartRedis(t).URL())
	now := time.Now()
	n := instance(client, func() time.Time { return now })
	signed := now.Add(2 * time.Second) // since this process began, and before Redis did
	now = now.Add(10 * time.Second)
	client.AddHook(noPipelines{})
	err := rememberSigned(t, n, signing.NewNonce(), signed)
	if _, ok := errors.AsType[*auth.ForgottenError](err); !ok {
		t.Errorf("a signature that Redis may have forgotten: %v, want a ForgottenError", err)
	}
}

// A node of a cluster forgets for its part alone.
func TestANodeOfAClusterForgets(t *testing.T) {
	t.Parallel()
	cluster := testservers.StartRedisCluster(t)
	one := instance(testservers.RedisClient(t, cluster.URL()), time.Now)
	backdate(t, one)
	created := time.Now().Truncate(time.Second)
	const many = 100
	for i := range many {
		if err := rememberSigned(t, one, signing.Nonce{byte(i)}, created); err != nil {
			t.Fatal(err)
		}
	}
	do(t, cluster.Nodes[1], "FLUSHALL")
	sibling := instance(testservers.RedisClient(t, cluster.URL()), time.Now)
	reused, forgotten := 0, 0
	for i := range many {
		err := rememberSigned(t, sibling, signing.Nonce{byte(i)}, created)
		if _, ok := errors.AsType[*auth.ForgottenError](err); ok {
			forgotten++
		} else if errors.Is(err, auth.ErrNonceReused) {
			reused++
		} else {
			t.Errorf("a captured signature: %v", err)
		}
	}
	if reused == 0 || forgotten == 0 {
		t.Errorf("%d are known as used, %d as forgotten, want some of both", reused, forgotten)
	}
}

// A replica that takes over may lack the last nonces, and knows it.
func TestFailoverWithALostTail(t *testing.T) {
	t.Parallel()
	primary := testservers.StartRedis(t, "--repl-diskless-sync-delay", "0")
	host, port, _ := net.SplitHostPort(primary.Address)
	replica := testservers.StartRedis(t)
	do(t, replica, "REPLICAOF", host, port)
	one := instance(testservers.RedisClient(t, primary.URL()), time.Now)
	testservers.Await(t, "the replica is in step", func(ctx context.Context) bool {
		info, err := testservers.RedisClient(t, replica.URL()).Info(ctx, "replication").Result()
		return err == nil && strings.Contains(info, "master_link_status:up")
	})
	backdate(t, one)
	testservers.Await(t, "the replica has the beginning", func(context.Context) bool { return beginnings(t, replica) > 0 })
	do(t, replica, "REPLICAOF", "NO", "ONE") // hears no more
	created, nonce := time.Now().Truncate(time.Second), signing.NewNonce()
	if err := rememberSigned(t, one, nonce, created); err != nil {
		t.Fatal(err)
	}
	primary.Kill()
	expectForgotten(t, instance(testservers.RedisClient(t, replica.URL()), time.Now), nonce, created)
}

// A user of Redis who may not ask for its replication id still notices an empty one.
func TestWithoutTheRightToAsk(t *testing.T) {
	t.Parallel()
	server := testservers.StartRedis(t)
	do(t, server, "ACL", "SETUSER", "syncline", "on", ">secret", "~*", "+@all", "-info")
	client := redis.NewClient(&redis.Options{Addr: server.Address, Username: "syncline", Password: "secret", MaxRetries: -1, ContextTimeoutEnabled: true})
	t.Cleanup(func() { client.Close() })
	one := instance(client, time.Now)
	backdate(t, one)
	created, nonce := time.Now().Truncate(time.Second), signing.NewNonce()
	if err := rememberSigned(t, one, nonce, created); err != nil {
		t.Fatal(err)
	}
	do(t, server, "FLUSHALL")
	expectForgotten(t, instance(client, time.Now), nonce, created)
}

// Before Redis has answered once, an instance serves what was signed since it started.
func TestAloneFromTheStart(t *testing.T) {
	t.Parallel()
	server := testservers.StartRedis(t)
	server.Kill()
	started := time.Now()
	n := instance(testservers.RedisClient(t, server.URL()), time.Now)
	expectForgotten(t, n, signing.NewNonce(), started.Truncate(time.Second))
	expectNew(t, n, signing.NewNonce())
}
