package retention_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	entlock "syncline/ent/lock"
	"syncline/ent/lockholder"
	"syncline/internal/testservers"
	"syncline/locks"
	"syncline/record"
	"syncline/storage/locker"
	"syncline/storage/retention"
)

// present has holds and fences go by the present time, as PostgreSQL's clock does.
// They are made old by changing their dates.
func (h *house) present() { h.now = time.Now() }

// age makes the locks of an owner older.
func (h *house) age(t *testing.T, owner record.Owner, by time.Duration) {
	t.Helper()
	h.db.Write.Lock.Update().Where(entlock.Owner(owner[:])).AddUsedAt(-by.Microseconds()).ExecX(t.Context())
	h.db.Write.LockHolder.Update().Where(lockholder.Owner(owner[:])).AddExpiresAt(-by.Microseconds()).ExecX(t.Context())
}

func acquire(t *testing.T, l *locker.Locker, owner record.Owner, name string) (locks.Token, error) {
	t.Helper()
	grant, err := l.Acquire(t.Context(), owner, locks.Request{Name: name, InstanceID: "me", TTL: locks.MaxTTL})
	if err == nil && !grant.Acquired {
		t.Errorf("%q is held: %+v", name, grant)
	}
	return grant.Token, err
}

// lockRows compares what the account counts with what is there.
func (h *house) lockRows(t *testing.T, owner record.Owner) (fences, holders int) {
	t.Helper()
	fences = h.db.Read.Lock.Query().Where(entlock.Owner(owner[:])).CountX(t.Context())
	holders = h.db.Read.LockHolder.Query().Where(lockholder.Owner(owner[:])).CountX(t.Context())
	if a := h.db.Read.Account.GetX(t.Context(), owner[:]); a.Fences != int64(fences) || a.Holders != int64(holders) {
		t.Errorf("counted %d fences and %d holders; there are %d and %d", a.Fences, a.Holders, fences, holders)
	}
	return fences, holders
}

func (h *house) fenced(t *testing.T, lock string, token locks.Token) error {
	t.Helper()
	_, err := h.service.Write(t.Context(), alice, record.Request{
		Kind: record.KindSet, Writes: []record.Write{{ID: fmt.Sprint("under ", lock, token)}},
		Fence: &record.Fence{Lock: lock, Token: record.FenceToken(token)},
	})
	return err
}

func testLocks(t *testing.T, h *house) {
	h.present()
	l := locker.New(h.db, h.engine)
	var tokens []locks.Token
	for n := range 120 { // more than go in a unit
		token, err := acquire(t, l, alice, fmt.Sprint(n))
		if err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, token)
	}
	h.age(t, alice, 89*day)
	kept, err := acquire(t, l, alice, "used lately")
	if err != nil {
		t.Fatal(err)
	}
	if swept := h.sweep(t, 90*day, 0); swept != (retention.Swept{Holds: 120}) {
		t.Errorf("swept %+v, want the holds that ended", swept)
	}
	if fences, holders := h.lockRows(t, alice); fences != 121 || holders != 1 {
		t.Errorf("%d fences, %d holders", fences, holders)
	}
	if err := h.fenced(t, "7", tokens[7]); err != nil {
		t.Errorf("nobody was granted the lock since: %v", err)
	}
	h.db.Write.Lock.Update().Where(entlock.IDNEQ("used lately")).AddUsedAt(-2 * day.Microseconds()).ExecX(t.Context())
	if swept := h.sweep(t, 0, day); swept != (retention.Swept{}) {
		t.Errorf("swept %+v, though kept for ever", swept)
	}
	if swept := h.sweep(t, 90*day, 0); swept != (retention.Swept{Fences: 120}) {
		t.Errorf("swept %+v, want the unused fences", swept)
	}
	if fences, holders := h.lockRows(t, alice); fences != 1 || holders != 1 {
		t.Errorf("%d fences, %d holders", fences, holders)
	}
	if err := h.fenced(t, "used lately", kept); err != nil {
		t.Error(err)
	}
	if err := h.fenced(t, "7", tokens[7]); !errors.Is(err, record.ErrFenced) {
		t.Errorf("under a lock that was forgotten: %v, want ErrFenced", err)
	}
	if _, is := errors.AsType[*record.InvalidError](h.fenced(t, "8", kept)); !is {
		t.Error("a token that no forgotten lock was granted with passes for one")
	}
	if token, err := acquire(t, l, alice, "7"); err != nil || token <= kept {
		t.Errorf("token %d after %d, %v", token, kept, err)
	}
}

// testTooManyLocks is of a client that makes up names, and instances that hold a lock.
func testTooManyLocks(t *testing.T, h *house) {
	h.present()
	h.limit(record.Quota{Records: 10}) // 1000 rows are for locks all the same
	sweeper := h.sweeper(0, 0)
	var told sync.Map
	l := locker.New(h.db, h.engine)
	l.LimitOwners(h.quota, func(owner locks.Owner) { told.Store(owner, true) })
	fill := func(prefix string) (made int, err error) {
		const clients = 16
		var (
			all sync.WaitGroup
			mu  sync.Mutex
		)
		for client := range clients {
			all.Go(func() {
				for n := range 100 {
					_, failed := acquire(t, l, alice, fmt.Sprintf("%s %d %d", prefix, client, n))
					mu.Lock()
					if failed == nil {
						made++
					} else {
						err = failed
					}
					mu.Unlock()
					if failed != nil {
						return
					}
				}
			})
		}
		all.Wait()
		return made, err
	}
	rounds := 2
	if long {
		rounds = 20
	}
	for n := range rounds {
		made, err := fill(fmt.Sprint(n))
		refused, ok := errors.AsType[*locks.UnavailableError](err)
		if !ok || refused.OutcomeUnknown || refused.RetryAfter <= 0 || made == 0 {
			t.Fatalf("round %d: %d locks made, then %v", n, made, err)
		}
		if fences, holders := h.lockRows(t, alice); fences+holders <= 1000 || fences+holders > 1250 {
			t.Fatalf("round %d: %d fences and %d holders", n, fences, holders)
		}
		if _, is := told.Load(alice); !is {
			t.Error("nobody was told")
		}
		if n == 0 {
			// All are held: none may go.
			if swept, err := sweeper.Sweep(t.Context()); err != nil || swept != (retention.Swept{}) {
				t.Fatalf("swept %+v, %v, of locks that are held", swept, err)
			}
			name := "0 0 0"
			if grant, err := l.Acquire(t.Context(), alice, locks.Request{Name: name, InstanceID: "me", TTL: locks.MaxTTL}); err != nil || !grant.Renewed {
				t.Errorf("a renewal: %+v, %v", grant, err)
			}
			if _, err := l.Release(t.Context(), locks.Key{Owner: alice, Name: name}, "me"); err != nil {
				t.Errorf("a release: %v", err)
			}
			h.put(t, alice, "writes go on")
			if _, err := acquire(t, l, ownerNumber(2), "a"); err != nil {
				t.Errorf("of another owner: %v", err)
			}
		}
		h.age(t, alice, 2*time.Hour)
		h.elapse(2 * time.Minute) // an owner whose locks were in use is looked at again
		if swept, err := sweeper.Sweep(t.Context()); err != nil || swept.Holds == 0 {
			t.Fatalf("swept %+v, %v, of locks that nobody uses", swept, err)
		}
		if fences, holders := h.lockRows(t, alice); fences+holders > 1000 || fences < 600 {
			t.Fatalf("round %d: %d fences and %d holders are left", n, fences, holders)
		}
	}
}

// testTrimTwice has two instances find the same owner at the same time.
func testTrimTwice(t *testing.T, h *house) {
	h.limit(record.Quota{Records: 1000, Bytes: 1})
	if err := h.fill(t, alice, "a", 1200, true); err != nil {
		t.Fatal(err)
	}
	engine := h.engine
	resume := engine.Pause()
	var sweeps sync.WaitGroup
	for range 2 {
		sweeper := h.sweeper(0, 0)
		sweeps.Go(func() {
			if _, err := sweeper.Sweep(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	testservers.Await(t, "both have found what to purge", func(context.Context) bool { return engine.Waiting() >= 40 })
	resume()
	sweeps.Wait()
	if n, _ := h.counted(t, alice); n != 750 {
		t.Errorf("%d tombstones are left of 1200, want three quarters of 1000", n)
	}
	// Those above the floor are all there.
	a := h.db.Read.Account.GetX(t.Context(), alice[:])
	if n := h.tombstones(t); n != 750 || a.Floor == 0 {
		t.Errorf("%d tombstones, floor %d", n, a.Floor)
	}
}
