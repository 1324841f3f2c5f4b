package e2e

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"syncline/client"
	"syncline/internal/testservers"
)

// A replica of Redis takes over that lacks what the primary answered last: a lock that was granted, and a nonce. The lock
// may be granted to another, and the fence keeps off who had it before; the captured request serves nowhere. Writes and
// feeds go on.
func TestDrillOfARedisWithALostTail(t *testing.T) {
	drillsAreLong(t)
	primary, replica := testservers.StartRedis(t, "--repl-diskless-sync-delay", "0"), testservers.StartRedis(t)
	ofPrimary, ofReplica := testservers.RedisClient(t, primary.URL()), testservers.RedisClient(t, replica.URL())
	host, port, err := net.SplitHostPort(primary.Address)
	if err == nil {
		err = ofReplica.Do(t.Context(), "REPLICAOF", host, port).Err()
	}
	if err != nil {
		t.Fatal(err)
	}
	address := testservers.StartProxy(t, primary.Address)
	d := startPair(t, "DATABASE_URL="+testservers.StartPostgres(t).NewURL(t), "REDIS_URL=redis://"+address.Address, "FEED_POLL_INTERVAL=1m")
	d.awaitReadiness(t, 200, "ready", "redis", "ok")
	locks := startContention(t, d.urls())
	l, meets := startDrill(t, d.urls())
	testservers.Await(t, "the replica is in step", func(ctx context.Context) bool {
		err := ofPrimary.Set(ctx, "of the test", "x", time.Minute).Err()
		found, missing := ofReplica.Exists(ctx, "of the test").Result()
		return err == nil && missing == nil && found == 1
	})

	if err := ofReplica.Do(t.Context(), "REPLICAOF", "NO", "ONE").Err(); err != nil { // from here on it lacks everything
		t.Fatal(err)
	}
	key := newKey(t)
	one, other := newClient(t, d.urls()[0], key), newClient(t, d.urls()[1], key)
	lost, err := one.SetLock(t.Context(), "tail", client.WithTTL(300*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	captured := newDevice("http://127.0.0.1/graphql", newKey(t)).sign(t, "{ viewer { id } }")
	if code := d.codeAt(t, 0, captured); code != "" {
		t.Fatal("a request is answered ", code)
	}
	fenced := [...]int{locks.fencedOf("brief-1"), locks.fencedOf("brief-2")}
	p := meets("Redis fails over to a replica that lacks the tail", func() {
		primary.Kill()
		d.awaitReadiness(t, 200, "degraded", "redis", "down")
		address.Redirect(replica.Address)
		d.awaitReadiness(t, 200, "ready", "redis", "ok")
	})
	if p.notApplied+p.unknown+p.lost > 0 {
		t.Errorf("writes failed for want of Redis: %q", p.errors)
	}
	for i := range d.instances {
		d.awaitSharedNonces(t, i)
	}
	d.mustNotServe(t, captured)
	taken, err := other.SetLock(t.Context(), "tail", client.WithTTL(300*time.Second))
	if err != nil || taken.Renewed || taken.Token <= lost.Token {
		t.Errorf("the lock that Redis forgot: %+v, %v; want a grant above token %d", taken, err, lost.Token)
	}
	if _, err := one.Set(t.Context(), "a", nil, 0, client.WithFence(client.Fence{Lock: "tail", Token: lost.Token})); !errors.Is(err, client.ErrFenced) {
		t.Errorf("a write under the lock that was lost: %v; want it fenced off", err)
	}
	if _, err := other.Set(t.Context(), "a", nil, 0, client.WithFence(client.Fence{Lock: "tail", Token: taken.Token})); err != nil {
		t.Error("a write under the new grant: ", err)
	}
	checkLive(t, d)
	until(t, time.Minute, func() bool { return locks.fencedOf("brief-1") > fenced[0] && locks.fencedOf("brief-2") > fenced[1] },
		func() { t.Error("locks do not change hands any more") })
	locks.finish()
	l.finish()
}

// An asynchronous replica of PostgreSQL is promoted that lacks the last acknowledged writes, as docs/operations.md tells:
// instances stopped, a new epoch, instances started. Each of eight clients hears that the history was cut off, also by a
// feed that is live, writes again what is lost, and sends what it had not sent. No revision and no token is given twice.
func TestDrillOfAPostgresWithALostTail(t *testing.T) {
	drillsAreLong(t)
	pair := testservers.StartPostgresPair(t)
	url := pair.NewURL(t)
	d := startPair(t, "DATABASE_URL="+url)
	clients := startHealers(t, d.urls())
	clients.await(300) // which the replica has: it is synchronous up to here
	pair.Primary.SQL("ALTER SYSTEM RESET synchronous_standby_names")
	pair.Primary.SQL("SELECT pg_reload_conf()")
	testservers.Await(t, "the primary waits for nobody", func(ctx context.Context) bool {
		return pair.Primary.Holds(ctx, "SELECT current_setting('synchronous_standby_names') = ''")
	})
	pair.Replica.SQL("ALTER SYSTEM SET primary_conninfo = ''")
	pair.Replica.SQL("SELECT pg_reload_conf()")
	testservers.Await(t, "the replica hears no more", func(ctx context.Context) bool {
		return pair.Replica.Holds(ctx, "SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver)")
	})
	clients.await(300)
	lost, err := clients.clients[0].client.SetLock(t.Context(), "tail")
	if err != nil {
		t.Fatal(err)
	}
	clients.rememberCursors()
	ends := make(chan error, writerCount)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	for _, h := range clients.clients {
		live := make(chan struct{})
		go func() {
			ends <- h.follow(ctx, live)
		}()
		select {
		case <-live:
		case <-ctx.Done():
			t.Fatal("a feed is not live")
		}
	}

	pair.Primary.Kill()
	clients.goOffline()
	for _, instance := range d.instances {
		if err := instance.Stop(); err != nil {
			t.Errorf("an instance that was told to stop: %v\n%s", err, instance.Log())
		}
	}
	pair.Replica.Promote()
	runProgram(t, []string{"DATABASE_URL=" + url}, "new-epoch")
	for _, instance := range d.instances {
		instance.Start()
	}
	for range clients.clients {
		if err := <-ends; !errors.Is(err, client.ErrEpochMismatch) {
			t.Errorf("a live feed ended with %v; want EPOCH_MISMATCH", err)
		}
	}
	clients.heal()
	if taken, err := clients.clients[0].client.SetLock(t.Context(), "tail"); err != nil || taken.Renewed || taken.Token <= lost.Token {
		t.Errorf("the lock that was lost: %+v, %v; want a grant above token %d", taken, err, lost.Token)
	}
}

// follow follows from now on until the feed fails, and tells when it is live.
func (h *healer) follow(ctx context.Context, live chan<- struct{}) error {
	told := false
	for event, err := range h.client.Follow(ctx, client.Now) {
		if err != nil {
			return err
		}
		if event.Kind == client.CaughtUp && !told {
			told = true
			close(live)
		}
	}
	return nil
}
