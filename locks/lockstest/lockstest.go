// Package lockstest is the conformance suite of locks.Locker.
package lockstest

import (
	"slices"
	"testing"
	"time"

	"syncline/locks"
)

// Harness is one locker, fresh for each test.
type Harness struct {
	Locker locks.Locker
	// Elapse returns when the clock by which holds end has moved on by d: an
	// injected clock is advanced, for another the harness waits.
	Elapse func(d time.Duration)
	// Fence reads a lock's fence where writes look for it; 0 if there is none.
	Fence func(key locks.Key) locks.Token
	// Purge has all fences forgotten, as those of locks that nobody uses any more are.
	Purge func()
	// Reopen is a new locker over what the first one keeps, as after a restart
	// of the server. The first one is not used any more.
	Reopen func() locks.Locker
}

// Times to live. Where time passes for real, a short one may be over before the
// next call: what has to happen within a hold has a slow or a long one.
const (
	short     = locks.MinTTL
	overShort = short + 100*time.Millisecond
	slow      = 5 * time.Second
	long      = locks.MaxTTL
)

var (
	alice = locks.Owner{0: 2, 32: 1}
	bob   = locks.Owner{0: 3, 32: 1}
)

// Run runs the suite over the lockers that newHarness makes, in parallel.
func Run(t *testing.T, newHarness func(t *testing.T) Harness) {
	tests := map[string]func(*run){
		"a lock never taken is free":                       neverTaken,
		"a grant tells what was granted":                   tellsGrant,
		"a refusal tells who holds the lock":               tellsHolder,
		"shared holders share a token":                     sharesToken,
		"shared holders are bounded":                       boundsHolders,
		"a renewal prolongs the hold and keeps its token":  renews,
		"a renewal by token renews that grant only":        renewsByToken,
		"a renewal by token that comes late takes nothing": renewsNothing,
		"a renewal by token is no upgrade":                 renewsWithoutUpgrade,
		"an upgrade takes a new token":                     upgrades,
		"a refused upgrade leaves the shared hold":         refusesUpgrade,
		"a downgrade keeps the token and lets others join": downgrades,
		"release frees the lock":                           releases,
		"release ends one's own hold only":                 releasesOwn,
		"release by a stranger changes nothing":            releasesNothing,
		"a hold ends by time":                              expires,
		"one shared hold ends, the others stay":            expiresSingly,
		"after expiry a hold is a new grant":               grantsAnew,
		"tokens never repeat":                              neverRepeatsTokens,
		"a fence stands at every grant's token":            fences,
		"refusals and releases leave the fence":            leavesFence,
		"tokens go on when a fence is forgotten":           forgetsFence,
		"a hold whose fence was forgotten is not renewed":  keepsForgotten,
		"owners are isolated":                              isolatesOwners,
		"awkward names stay apart":                         keepsNamesApart,
		"awkward instance ids stay apart":                  keepsInstancesApart,
		"many locks are read in the order asked":           readsMany,
		"holds and tokens survive a restart":               survivesRestart,
		"an ended context takes nothing":                   heedsContext,
		"of many racers one wins":                          racesForOne,
		"racers for different locks get different tokens":  racesForMany,
		"exclusion holds under load":                       excludes,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(&run{T: t, Harness: newHarness(t)})
		})
	}
	t.Run("the table of Decide", func(t *testing.T) { followsTable(t, newHarness) })
}

// run is one test of the suite.
type run struct {
	*testing.T
	Harness
}

func key(name string) locks.Key { return locks.Key{Owner: alice, Name: name} }

func exclusive(name, instance string, ttl time.Duration) locks.Request {
	return locks.Request{Name: name, InstanceID: instance, Exclusive: true, TTL: ttl}
}

func shared(name, instance string, ttl time.Duration) locks.Request {
	return locks.Request{Name: name, InstanceID: instance, TTL: ttl}
}

// acquire asks for one of alice's locks and checks what is true of any answer.
func (r *run) acquire(request locks.Request) locks.Grant {
	r.Helper()
	grant, err := r.Locker.Acquire(r.Context(), alice, request)
	if err != nil {
		r.Fatalf("Acquire %+v: %v", request, err)
	}
	r.check(grant.Lock, request.Name)
	if grant.Acquired && grant.Ended {
		r.Errorf("granted and ended: %+v", grant)
	}
	if !grant.Acquired && (grant.Renewed || grant.Token != 0 || !grant.ExpiresAt.IsZero()) {
		r.Errorf("a refusal carries parts of a grant: %+v", grant)
	}
	if grant.Acquired {
		r.checkGrant(grant, request)
	}
	return grant
}

func (r *run) checkGrant(grant locks.Grant, request locks.Request) {
	r.Helper()
	mine := slices.IndexFunc(grant.Lock.Holders, func(h locks.Holder) bool { return h.InstanceID == request.InstanceID })
	if mine < 0 {
		r.Fatalf("the new holder is not among the holders: %+v", grant)
	}
	if h := grant.Lock.Holders[mine]; h.Token != grant.Token || !h.ExpiresAt.Equal(grant.ExpiresAt) {
		r.Errorf("the grant and its holder differ: %+v", grant)
	}
	if grant.Lock.Exclusive != request.Exclusive {
		r.Errorf("exclusive is %v, asked for %v", grant.Lock.Exclusive, request.Exclusive)
	}
	left := grant.ExpiresAt.Sub(grant.Lock.ReadAt)
	if left > request.TTL || left <= request.TTL/2 {
		r.Errorf("the hold lasts %v, asked for %v", left, request.TTL)
	}
	if fence := r.Fence(key(request.Name)); fence < grant.Token {
		r.Errorf("the fence stands at %d when token %d is answered", fence, grant.Token)
	}
}

// check checks what is true of any state of a lock.
func (r *run) check(lock locks.Lock, name string) {
	r.Helper()
	if lock.Name != name {
		r.Errorf("the lock is called %q, asked for %q", lock.Name, name)
	}
	if lock.ReadAt.IsZero() || lock.ReadAt.Location() != time.UTC {
		r.Errorf("ReadAt is %v, want a time in UTC", lock.ReadAt)
	}
	if !lock.Locked() && lock.Exclusive {
		r.Error("a free lock is exclusive")
	}
	if lock.Exclusive && len(lock.Holders) > 1 {
		r.Errorf("an exclusive lock has %d holders", len(lock.Holders))
	}
	for i, h := range lock.Holders {
		if i > 0 && h.InstanceID <= lock.Holders[i-1].InstanceID {
			r.Errorf("holders are not in order: %+v", lock.Holders)
		}
		if h.Token != lock.Holders[0].Token || h.Token < 1 {
			r.Errorf("holders do not share one token: %+v", lock.Holders)
		}
		if !h.ExpiresAt.After(lock.ReadAt) {
			r.Errorf("a holder has expired: %+v", lock)
		}
		if h.ExpiresAt.Location() != time.UTC || !h.ExpiresAt.Equal(h.ExpiresAt.Truncate(time.Microsecond)) {
			r.Errorf("ExpiresAt is %v, want whole microseconds in UTC", h.ExpiresAt)
		}
	}
}

func (r *run) mustAcquire(request locks.Request) locks.Grant {
	r.Helper()
	grant := r.acquire(request)
	if !grant.Acquired {
		r.Fatalf("%+v was refused: %+v", request, grant.Lock)
	}
	return grant
}

func (r *run) mustBeHeld(request locks.Request) locks.Grant {
	r.Helper()
	grant := r.acquire(request)
	if grant.Acquired {
		r.Fatalf("%+v was granted: %+v", request, grant.Lock)
	}
	return grant
}

func (r *run) read(name string) locks.Lock {
	r.Helper()
	found, err := r.Locker.Read(r.Context(), []locks.Key{key(name)})
	if err != nil || len(found) != 1 {
		r.Fatalf("Read %q: %v, %v", name, found, err)
	}
	r.check(found[0], name)
	return found[0]
}

func (r *run) release(name, instance string) locks.Lock {
	r.Helper()
	lock, err := r.Locker.Release(r.Context(), key(name), instance)
	if err != nil {
		r.Fatalf("Release %q by %q: %v", name, instance, err)
	}
	r.check(lock, name)
	return lock
}

// expectHolders checks who holds a lock.
func (r *run) expectHolders(lock locks.Lock, exclusive bool, instances ...string) {
	r.Helper()
	var got []string
	for _, h := range lock.Holders {
		got = append(got, h.InstanceID)
	}
	if !slices.Equal(got, instances) || lock.Exclusive != exclusive {
		r.Fatalf("held by %q, exclusive %v; want %q, %v", got, lock.Exclusive, instances, exclusive)
	}
}
