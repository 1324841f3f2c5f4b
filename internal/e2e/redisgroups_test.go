package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"syncline/auth/signing"
	"syncline/client"
	"syncline/internal/testservers"
)

// One node of a Redis Cluster fails, and its replica takes its slots.
func TestRedisClusterFailover(t *testing.T) {
	t.Parallel()
	cluster := testservers.StartRedisCluster(t)
	replica := cluster.AddReplica(t, 0)
	testRedisFailover(t, cluster.URL(), func() {
		cluster.Nodes[0].Kill()
		replica.AwaitPrimary(t)
	})
}

// The primary fails, and the sentinel promotes its replica.
func TestRedisSentinelFailover(t *testing.T) {
	t.Parallel()
	group := testservers.StartRedisSentinel(t)
	testRedisFailover(t, group.URL(), func() {
		group.Primary.Kill()
		group.Replica.AwaitPrimary(t)
	})
}

// testRedisFailover has a part of Redis fail under load. Feeds are live by hints
// before and after, though instances hardly poll; locks exclude; a failover may
// lose a lock, and the fence does not.
func testRedisFailover(t *testing.T, redisURL string, failOver func()) {
	t.Helper()
	d := startPair(t, "DATABASE_URL="+testservers.StartPostgres(t).NewURL(t), "REDIS_URL="+redisURL, "FEED_POLL_INTERVAL=1m")
	load, locks := startLoad(t, d.urls()), startContention(t, d.urls())
	load.calm("before")
	checkLive(t, d)
	p := load.during("Redis fails over", func() {
		failOver()
		d.awaitReadiness(t, 200, "ready", "redis", "ok")
		load.mustGoOn()
	})
	if p.notApplied+p.unknown+p.lost > 0 {
		t.Error("writes failed for want of Redis")
	}
	checkLive(t, d)
	load.calm("after")
	grants := locks.grantsOf("brief-1")
	until(t, time.Minute, func() bool { return locks.grantsOf("brief-1") > grants+1 }, func() { t.Error("locks are not granted any more") })
	checkNonces(t, d)
	locks.finish()
	load.finish()
}

// checkLive checks that what is written through one instance is heard of through
// the other before that would poll.
func checkLive(t *testing.T, d *deployment) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	key := newKey(t)
	for event, err := range newClient(t, d.instances[1].URL(), key).Follow(ctx, client.Now) {
		if err != nil {
			t.Fatalf("what was written through one instance is not heard of through the other: %v", err)
		}
		if event.Kind == client.Changed {
			return
		}
		if _, err := newClient(t, d.instances[0].URL(), key).Set(ctx, "a", nil, 0); err != nil {
			t.Fatal(err)
		}
	}
}

// checkNonces checks that what was sent to one instance is refused by the other.
func checkNonces(t *testing.T, d *deployment) {
	t.Helper()
	captured := newDevice("http://127.0.0.1/graphql", newKey(t)).sign(t, "{ viewer { id } }")
	for i, want := range []string{"", string(client.ErrNonceReused)} {
		if got := d.codeAt(t, i, captured); got != want {
			t.Errorf("instance %d answers a captured request with the code %q, want %q", i, got, want)
		}
	}
}

// codeAt sends a captured request to an instance, and returns the code of the error that it is answered with, if any.
func (d *deployment) codeAt(t *testing.T, instance int, captured *http.Request) string {
	t.Helper()
	request := captured.Clone(t.Context())
	request.URL.Host = d.instances[instance].Address // the authority, which is signed, stays
	request.Body, _ = captured.GetBody()             // of memory
	return codeOf(t, request)
}

// awaitSharedNonces waits until one of two instances asks Redis for nonces, which it tries once a second while that is away,
// and the other one tells it.
func (d *deployment) awaitSharedNonces(t *testing.T, instance int) {
	t.Helper()
	testservers.Await(t, "instances share nonces", func(context.Context) bool {
		fresh := newDevice("http://127.0.0.1/graphql", newKey(t)).sign(t, "{ viewer { id } }")
		return d.codeAt(t, 1-instance, fresh) == "" && d.codeAt(t, instance, fresh) == string(client.ErrNonceReused)
	})
}

// mustNotServe checks that no instance serves a captured request.
func (d *deployment) mustNotServe(t *testing.T, captured *http.Request) {
	t.Helper()
	for i := range d.instances {
		if code := d.codeAt(t, i, captured); code != string(client.ErrNonceReused) && code != string(client.ErrSignatureExpired) {
			t.Errorf("instance %d answers a captured request with the code %q", i, code)
		}
	}
}

// sign makes a request that may be sent as it is.
func (d *device) sign(t *testing.T, document string) *http.Request {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": document})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if err := signing.SignRequest(req, body, d.key, time.Now(), signing.NewNonce()); err != nil {
		t.Fatal(err)
	}
	return req
}

// codeOf sends a request, and returns the code of the error that it is answered
// with, if any.
func codeOf(t *testing.T, req *http.Request) string {
	t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var a answer
	if err := json.NewDecoder(res.Body).Decode(&a); err != nil {
		t.Fatal(err)
	}
	if len(a.Errors) == 0 {
		return ""
	}
	code, _ := a.Errors[0].Extensions["code"].(string)
	return code
}
