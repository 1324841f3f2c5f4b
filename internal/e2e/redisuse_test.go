package e2e

import (
	"context"
	"errors"
	"strings"
	"testing"

	"syncline/internal/testservers"
)

// Readiness tells what Redis does, not only that it answers. An instance stays ready
// without it, unless it must have it.
func TestReadinessTellsWhatRedisDoes(t *testing.T) {
	t.Parallel()
	server, database := testservers.StartRedis(t), testservers.StartPostgres(t).NewURL(t)
	admin := testservers.RedisClient(t, server.URL())
	do := func(command ...any) {
		t.Helper()
		if err := admin.Do(t.Context(), command...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	do("ACL", "SETUSER", "instance", "on", ">secret", "~syncline:*", "&syncline:*", "+@all")
	url := strings.Replace(server.URL(), "redis://", "redis://instance:secret@", 1)
	lenient := testservers.StartSyncline(t, "DATABASE_URL="+database, "REDIS_URL="+url)
	strict := testservers.StartSyncline(t, "DATABASE_URL="+database, "REDIS_URL="+url, "NONCE_STRICT=true")
	expect := func(what, state string, strictCode int) {
		t.Helper()
		for _, test := range []struct {
			*testservers.Syncline
			code int
		}{{lenient, 200}, {strict, strictCode}} {
			var last readiness
			testservers.Await(t, what+": /readyz says "+state, func(ctx context.Context) bool {
				r, err := readinessOf(ctx, test.Syncline)
				if err != nil {
					return false
				}
				if r.code != last.code || r.Checks["redis"] != last.Checks["redis"] {
					t.Logf("%s: %+v", what, r)
				}
				last = r
				return r.code == test.code && r.Checks["redis"] == state
			})
		}
	}
	expect("at first", "ok", 200)

	do("CONFIG", "SET", "maxmemory", "1")
	expect("out of memory", "failing: nonces", 503) // a script that has removed something may write
	do("CONFIG", "SET", "maxmemory", "0")
	expect("with memory", "ok", 200)

	do("REPLICAOF", "127.0.0.1", "1")
	expect("read-only", "failing: locks, nonces", 503)
	err := newDevice(lenient.URL(), newKey(t)).takeLock(t, "a")
	if refused, ok := errors.AsType[*refusal](err); !ok || refused.text("code") != "UNAVAILABLE" {
		t.Errorf("a lock on a Redis that is read-only: %v", err)
	}
	do("REPLICAOF", "NO", "ONE")
	expect("writable", "ok", 200)

	do("ACL", "SETUSER", "instance", "resetchannels")
	expect("channels forbidden", "failing: notifications", 200)
	do("ACL", "SETUSER", "instance", "&syncline:*")
	expect("channels allowed", "ok", 200)
	if !strings.Contains(lenient.Log(), `"failing: notifications"`) {
		t.Error("the log does not tell of it")
	}
}

// A cluster that lacks a part answers PING, and nothing else.
func TestReadinessOnAClusterThatIsDown(t *testing.T) {
	t.Parallel()
	cluster := testservers.StartRedisCluster(t)
	server := testservers.StartSyncline(t, "DATABASE_URL="+testservers.StartPostgres(t).NewURL(t), "REDIS_URL="+cluster.URL())
	for _, n := range cluster.Nodes { // nobody serves the first slot
		if err := testservers.RedisClient(t, n.URL()).ClusterDelSlots(t.Context(), 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	testservers.Await(t, "/readyz says so", func(ctx context.Context) bool {
		r, err := readinessOf(ctx, server)
		return err == nil && r.code == 200 && r.Status == "degraded" && strings.HasPrefix(r.Checks["redis"], "failing: locks, nonces")
	})
}

// An instance that was given another database than its siblings have does not become
// ready, and takes nothing.
func TestAnotherDatabaseThanSiblings(t *testing.T) {
	t.Parallel()
	server, postgres := testservers.StartRedis(t), testservers.StartPostgres(t)
	right := testservers.StartSyncline(t, "DATABASE_URL="+postgres.NewURL(t), "REDIS_URL="+server.URL())
	admin := testservers.RedisClient(t, server.URL())
	testservers.Await(t, "Redis knows whose database is served", func(ctx context.Context) bool {
		n, err := admin.Exists(ctx, "syncline:{database}:epochs").Result()
		return err == nil && n == 1
	})
	wrong := testservers.LaunchSyncline(t, "DATABASE_URL="+postgres.NewURL(t), "REDIS_URL="+server.URL())
	testservers.Await(t, "it says so", func(ctx context.Context) bool {
		r, err := readinessOf(ctx, wrong)
		return err == nil && r.code == 503 && r.Checks["siblings"] == "another database" && strings.Contains(wrong.Log(), "level=ERROR")
	})
	err := newDevice(wrong.URL(), newKey(t)).takeLock(t, "a")
	if refused, ok := errors.AsType[*refusal](err); !ok || refused.text("code") != "UNAVAILABLE" || refused.text("outcome") != "NOT_APPLIED" {
		t.Errorf("a mutation: %v", err)
	}
	if _, err := newClient(t, right.URL(), newKey(t)).Set(t.Context(), "a", nil, 0); err != nil {
		t.Error("its sibling: ", err)
	}
	apart := testservers.StartSyncline(t, "DATABASE_URL="+postgres.NewURL(t), "REDIS_URL="+server.URL(), "REDIS_PREFIX=other")
	if r, err := readinessOf(t.Context(), apart); err != nil || r.code != 200 {
		t.Errorf("a deployment by another prefix: %+v, %v", r, err)
	}
}

// Two deployments on one Redis do not see each other's locks.
func TestRedisPrefix(t *testing.T) {
	t.Parallel()
	server, postgres := testservers.StartRedis(t), testservers.StartPostgres(t)
	key := newKey(t)
	for _, prefix := range []string{"one", "two"} {
		instance := testservers.StartSyncline(t, "DATABASE_URL="+postgres.NewURL(t), "REDIS_URL="+server.URL(), "REDIS_PREFIX="+prefix)
		d := newDevice(instance.URL(), key)
		var out struct{ SetLock struct{ Status string } }
		err := d.call(t.Context(), `mutation($input: SetLockInput!) { setLock(input: $input) { status } }`,
			map[string]any{"input": map[string]any{"name": "a", "instanceId": prefix}}, &out)
		if err != nil || out.SetLock.Status != "ACQUIRED" {
			t.Errorf("%s: %+v, %v", prefix, out, err)
		}
	}
	names, err := testservers.RedisClient(t, server.URL()).Keys(t.Context(), "*").Result()
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		if !strings.HasPrefix(name, "one:") && !strings.HasPrefix(name, "two:") {
			t.Errorf("the key %s has no prefix of its deployment", name)
		}
	}
}

// A Redis that forgets what it was told to keep when its memory is full is warned about at the start, whether it
// evicts all keys or those with a time; one that refuses instead is not.
func TestARedisThatEvicts(t *testing.T) {
	t.Parallel()
	postgres := testservers.StartPostgres(t)
	one, cluster := testservers.StartRedis(t), testservers.StartRedisCluster(t)
	evict := func(server *testservers.Redis, policy string) {
		t.Helper()
		if err := testservers.RedisClient(t, server.URL()).ConfigSet(t.Context(), "maxmemory-policy", policy).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		policy, url string
		server      *testservers.Redis
	}{
		{"noeviction", one.URL(), one},
		{"allkeys-lru", one.URL(), one},
		{"volatile-ttl", one.URL(), one},
		{"noeviction", cluster.URL(), cluster.Nodes[2]},
		{"allkeys-lfu", cluster.URL(), cluster.Nodes[2]},
	} {
		evict(test.server, test.policy)
		instance := testservers.StartSyncline(t, "DATABASE_URL="+postgres.NewURL(t), "REDIS_URL="+test.url, "REDIS_PREFIX="+test.policy)
		warned := func(context.Context) bool {
			return strings.Contains(instance.Log(), "level=WARN") &&
				strings.Contains(instance.Log(), "maxmemory-policy "+test.policy+": when its memory is full it forgets locks that are held")
		}
		if test.policy != "noeviction" {
			testservers.Await(t, "the log warns of "+test.policy+" at "+test.url, warned)
			continue
		}
		if err := instance.Stop(); err != nil { // which writes all of the log
			t.Fatal(err)
		}
		if strings.Contains(instance.Log(), "maxmemory-policy") {
			t.Errorf("%s at %s: the log says %q", test.policy, test.url, instance.Log())
		}
	}
}
