package locker_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"syncline/internal/testservers"
	"syncline/locks"
	"syncline/storage"
	"syncline/storage/locker"
)

var alice = locks.Owner{0: 2, 32: 1}

func exclusive(name, instance string) locks.Request {
	return locks.Request{Name: name, InstanceID: instance, Exclusive: true, TTL: 30 * time.Second}
}

func (f *fixture) acquire(t *testing.T, request locks.Request) locks.Grant {
	t.Helper()
	grant, err := f.locker.Acquire(t.Context(), alice, request)
	if err != nil {
		t.Fatal(err)
	}
	return grant
}

// A restore from backup begins an epoch whose base exceeds all that was granted
// in the history that it cut off.
func TestTokensGoOnAboveTheEpochsBase(t *testing.T) {
	t.Parallel()
	f := newSQLite(t)
	f.acquire(t, exclusive("a", "me"))
	const base = 1_772_000_000 << 21
	f.db.Write.Epoch.Create().SetID(2).SetEpoch([]byte("restored")).SetBase(base).SetBeganAt(0).ExecX(t.Context())
	if grant := f.acquire(t, exclusive("b", "me")); grant.Token != base+1 {
		t.Errorf("first token after the restore: %d, want %d", grant.Token, base+1)
	}
	if grant := f.acquire(t, exclusive("c", "me")); grant.Token != base+2 {
		t.Errorf("second token after the restore: %d, want %d", grant.Token, base+2)
	}
}

// Something else may have kept the lock meanwhile, and granted it.
func TestAHoldBelowTheFenceIsNotKeptAlive(t *testing.T) {
	t.Parallel()
	f := newSQLite(t)
	old := f.acquire(t, exclusive("a", "me"))
	f.db.Write.Account.Update().SetFenceToken(9).ExecX(t.Context())
	f.db.Write.Lock.Update().SetFence(9).ExecX(t.Context())
	grant := f.acquire(t, exclusive("a", "me"))
	if !grant.Acquired || grant.Renewed || grant.Token != 10 {
		t.Errorf("%+v after %+v, want a new grant with token 10", grant, old)
	}
}

func TestAClockSetBackDoesNotBarALock(t *testing.T) {
	t.Parallel()
	f := newSQLite(t)
	first := f.acquire(t, exclusive("a", "me"))
	f.clock.Move(-time.Minute) // a small correction leaves the hold
	if grant := f.acquire(t, exclusive("a", "you")); grant.Acquired {
		t.Errorf("granted although held: %+v", grant)
	}
	f.clock.Move(-24 * time.Hour)
	if grant := f.acquire(t, exclusive("a", "you")); !grant.Acquired || grant.Token <= first.Token {
		t.Errorf("a clock that was a day ahead bars the lock: %+v", grant)
	}
}

func TestExpiredHoldsAreCleanedUp(t *testing.T) {
	t.Parallel()
	f := newSQLite(t)
	for i := range 5 {
		request := exclusive("a", fmt.Sprint("instance ", i))
		request.Exclusive = false
		f.acquire(t, request)
	}
	f.clock.Move(time.Hour)
	f.acquire(t, exclusive("a", "me"))
	if n := f.db.Read.LockHolder.Query().CountX(t.Context()); n != 1 {
		t.Errorf("%d holds are stored, want 1", n)
	}
}

func TestManyLocksAreReadAtOnce(t *testing.T) {
	t.Parallel()
	f := newSQLite(t)
	keys := make([]locks.Key, 25_000)
	for i := range keys {
		keys[i] = locks.Key{Owner: alice, Name: fmt.Sprint(i)}
	}
	f.acquire(t, exclusive("24999", "me"))
	found, err := f.locker.Read(t.Context(), keys)
	if err != nil || len(found) != len(keys) || !found[24_999].Locked() || found[0].Locked() {
		t.Fatalf("%d locks, %v", len(found), err)
	}
}

func TestADatabaseThatIsGoneIsUnavailable(t *testing.T) {
	t.Parallel()
	f := newSQLite(t)
	f.acquire(t, exclusive("a", "me"))
	if err := f.db.Close(); err != nil {
		t.Fatal(err)
	}
	defer f.open(t)
	_, acquired := f.locker.Acquire(t.Context(), alice, exclusive("a", "me"))
	_, released := f.locker.Release(t.Context(), locks.Key{Owner: alice, Name: "a"}, "me")
	_, read := f.locker.Read(t.Context(), []locks.Key{{Owner: alice, Name: "a"}})
	for call, err := range map[string]error{"Acquire": acquired, "Release": released, "Read": read} {
		unavailable, ok := errors.AsType[*locks.UnavailableError](err)
		if !ok || unavailable.OutcomeUnknown || unavailable.RetryAfter <= 0 {
			t.Errorf("%s: %#v, want an UnavailableError that says that nothing was applied", call, err)
		}
	}
}

// A lock that something else kept for a while, as Redis does, has a fence above the holds
// that are left here. They have ended for who reads and releases, as for the next grant.
func TestHoldsBelowTheFenceHaveEnded(t *testing.T) {
	t.Parallel()
	for _, db := range []*storage.DB{testservers.SQLite(t), testservers.StartPostgres(t).Open(t)} {
		l, key := locker.New(db, db.NewEngine()), locks.Key{Owner: alice, Name: "a"}
		ctx := t.Context()
		dead := exclusive(key.Name, "dead")
		dead.TTL = locks.MaxTTL
		if _, err := l.Acquire(ctx, alice, dead); err != nil {
			t.Fatal(err)
		}
		elsewhere, err := l.TakeToken(ctx, alice)
		if err != nil {
			t.Fatal(err)
		}
		if stands, err := l.RaiseFence(ctx, key, elsewhere); err != nil || stands != elsewhere {
			t.Fatalf("%s: fence %d, %v", db.Dialect, stands, err)
		}
		if read, err := l.Read(ctx, []locks.Key{key}); err != nil || len(read[0].Holders) != 0 {
			t.Errorf("%s: read %+v, %v; want it free", db.Dialect, read, err)
		}
		for _, instance := range []string{"another", "dead"} {
			if released, err := l.Release(ctx, key, instance); err != nil || len(released.Holders) != 0 {
				t.Errorf("%s: %s released: %+v, %v; want it free", db.Dialect, instance, released, err)
			}
		}
		if grant, err := l.Acquire(ctx, alice, exclusive(key.Name, "next")); err != nil || !grant.Acquired || len(grant.Lock.Holders) != 1 {
			t.Errorf("%s: %+v, %v", db.Dialect, grant, err)
		}
	}
}
