package e2e

import (
	"errors"
	"sync"
	"testing"
	"time"
)

// Redis that is killed and comes back empty costs no write, no event and no
// readiness. It forgets who holds a lock; the fence does not.
func TestRedisKilled(t *testing.T) {
	t.Parallel()
	d := startFleet(t)
	load, locks := startLoad(t, d.urls()), startContention(t, d.urls())
	load.calm("before")
	if n := locks.grantsOf(lastingLock); n != 1 {
		t.Errorf("%d devices were granted the lasting lock before", n)
	}
	load.during("Redis is dead", func() {
		d.redis.Kill()
		d.awaitReadiness(t, 200, "degraded", "redis", "down")
		pause(nil, phaseTime())
		load.mustGoOn()
	})
	d.redis.Start()
	d.awaitReadiness(t, 200, "ready", "redis", "ok")
	load.calm("Redis is back, empty")
	until(t, time.Minute, func() bool { return locks.fencedOf(lastingLock) > 0 },
		func() { t.Error("no device was told that the lasting lock was granted anew") })
	locks.finish()
	load.finish()
}

// Redis that stops answering, with its connections open, slows writes by a
// bounded time, feeds do without it, and locks are refused rather than waited for.
func TestRedisPaused(t *testing.T) {
	const slowest = 9 * time.Second // what waits for Redis takes longer, in make verify
	paused := 4 * time.Second
	if long {
		paused = 10 * time.Second
	}
	d := startFleet(t)
	load, locks := startLoad(t, d.urls()), startContention(t, d.urls())
	load.calm("before")
	key := newKey(t)
	p := load.during("Redis is paused", func() {
		d.redis.Pause()
		t.Cleanup(d.redis.Resume) // a stopped process could not be asked to end
		over := time.After(paused)
		var refusals sync.WaitGroup
		for _, url := range d.urls() {
			refusals.Go(func() {
				began := time.Now()
				err := newDevice(url, key).takeLock(t, "any")
				refused, ok := errors.AsType[*refusal](err)
				if !ok || refused.text("code") != "UNAVAILABLE" {
					t.Errorf("a lock while Redis is paused: %v; want UNAVAILABLE", err)
				}
				if took := time.Since(began); took > slowest {
					t.Errorf("the refusal of a lock took %v", took)
				}
			})
		}
		refusals.Wait()
		d.awaitReadiness(t, 200, "degraded", "redis", "down")
		load.mustGoOn()
		<-over
		d.redis.Resume()
	})
	if p.slowest > slowest {
		t.Errorf("a write took %v", p.slowest)
	}
	if p.notApplied+p.unknown+p.lost > 0 {
		t.Error("writes failed for want of Redis")
	}
	d.awaitReadiness(t, 200, "ready", "redis", "ok")
	load.calm("after")
	locks.finish()
	locks.checkExclusive()
	load.finish()
}

func (d *device) takeLock(t *testing.T, name string) error {
	t.Helper()
	var out struct{ SetLock struct{ Status string } }
	return d.call(t.Context(), `mutation($input: SetLockInput!) { setLock(input: $input) { status } }`,
		map[string]any{"input": map[string]any{"name": name, "instanceId": "device"}}, &out)
}
