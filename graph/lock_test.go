package graph_test

import (
	"testing"
	"time"
)

func TestExclusiveLock(t *testing.T) {
	t.Parallel()
	a := newAPI(t, options{})
	c := a.as("alice")
	taken := c.lock(t, vars{"name": "doc", "instanceId": "tab1"})
	taken.is("ACQUIRED", "status")
	taken.is("false", "renewed")
	taken.is("1", "token")
	taken.is("true", "lock", "locked")
	taken.is("true", "lock", "exclusive")
	taken.is("tab1", "lock", "holders", 0, "instanceId")
	expiresIn(t, a, taken, 30*time.Second)

	held := c.lock(t, vars{"name": "doc", "instanceId": "tab2", "exclusive": false})
	held.is("HELD", "status")
	held.is("null", "token")
	held.is("null", "expiresAt")
	held.is("tab1", "lock", "holders", 0, "instanceId")

	renewed := c.lock(t, vars{"name": "doc", "instanceId": "tab1", "ttlSeconds": 1000000})
	renewed.is("true", "renewed")
	renewed.is("1", "token")
	expiresIn(t, a, renewed, 300*time.Second) // capped

	released := c.lock(t, vars{"name": "doc", "instanceId": "tab1", "acquire": false, "ttlSeconds": -5})
	released.is("RELEASED", "status")
	released.is("false", "renewed")
	released.is("null", "token")
	released.is("null", "expiresAt")
	released.is("false", "lock", "locked")
	released.is("false", "lock", "exclusive")
	c.lock(t, vars{"name": "doc", "instanceId": "stranger", "acquire": false}).is("RELEASED", "status")

	c.lock(t, vars{"name": "doc", "instanceId": "tab2"}).is("2", "token")
}

func TestSharedLock(t *testing.T) {
	t.Parallel()
	c := newAPI(t, options{}).as("alice")
	share := func(instance string, exclusive bool) tree {
		return c.lock(t, vars{"name": "doc", "instanceId": instance, "exclusive": exclusive})
	}
	share("a", false).is("1", "token")
	joined := share("b", false)
	joined.is("1", "token")
	joined.is("false", "renewed")
	joined.is("false", "lock", "exclusive")

	share("a", true).is("HELD", "status") // a refused upgrade
	both := c.ok(t, `{lock(name: "doc") `+lockFields+`}`, nil).at("lock")
	both.is("a", "holders", 0, "instanceId")
	both.is("b", "holders", 1, "instanceId")

	c.lock(t, vars{"name": "doc", "instanceId": "b", "acquire": false})
	upgraded := share("a", true)
	upgraded.is("2", "token")
	upgraded.is("false", "renewed")
	downgraded := share("a", false)
	downgraded.is("2", "token")
	downgraded.is("true", "renewed")
}

func TestLockExpires(t *testing.T) {
	t.Parallel()
	a := newAPI(t, options{})
	c := a.as("alice")
	c.lock(t, vars{"name": "doc", "instanceId": "a", "ttlSeconds": 1})
	a.clock.Advance(1500 * time.Millisecond)
	c.ok(t, `{lock(name: "doc") {locked}}`, nil).is("false", "lock", "locked")
	back := c.lock(t, vars{"name": "doc", "instanceId": "a", "ttlSeconds": 1})
	back.is("false", "renewed")
	back.is("2", "token")
}

// A renewal that was under way when the lock was released takes nothing.
func TestRenewalByToken(t *testing.T) {
	t.Parallel()
	c := newAPI(t, options{}).as("alice")
	c.lock(t, vars{"name": "doc", "instanceId": "a"}).is("1", "token")
	renewed := c.lock(t, vars{"name": "doc", "instanceId": "a", "token": 1})
	renewed.is("ACQUIRED", "status")
	renewed.is("true", "renewed")
	c.lock(t, vars{"name": "doc", "instanceId": "a", "acquire": false})
	late := c.lock(t, vars{"name": "doc", "instanceId": "a", "token": 1})
	late.is("RELEASED", "status")
	late.is("null", "token")
	late.is("null", "expiresAt")
	late.is("false", "lock", "locked")

	c.lock(t, vars{"name": "doc", "instanceId": "a", "exclusive": false, "token": nil}).is("2", "token")
	c.lock(t, vars{"name": "doc", "instanceId": "a", "token": 2}).is("HELD", "status")
	c.refused(t, setLock, vars{"input": vars{"name": "doc", "instanceId": "a", "token": 0}}, refusal{200, "BAD_USER_INPUT", "input.token"})
}

func TestFreeLock(t *testing.T) {
	t.Parallel()
	c := newAPI(t, options{}).as("alice")
	free := c.ok(t, `{lock(name: "never taken") `+lockFields+`}`, nil).at("lock")
	free.is("never taken", "name")
	free.is("false", "locked")
	free.is("false", "exclusive")
	free.is("[]", "holders")
}

func expiresIn(t *testing.T, a *api, payload tree, ttl time.Duration) {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, payload.at("expiresAt").text())
	if left := at.Sub(a.clock.Now()); err != nil || left > ttl || left < ttl-20*time.Second {
		t.Errorf("expires in %v, want about %v (%v)", left, ttl, err)
	}
}
