package records_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"syncline/internal/testservers"
	"syncline/record"
	"syncline/storage"
)

// A disk that has no room for a group may have it for some of its members.
func TestAGroupOnAFullDisk(t *testing.T) {
	t.Parallel()
	db := testservers.SQLite(t)
	store := newStore(db)
	mustWrite(t, store, set("first", 10))
	exec(t, db, fmt.Sprintf("PRAGMA max_page_count = %d", queryInt(t, db, "PRAGMA page_count")+40))
	release := store.Hold()
	var waits []func() (record.Result, error)
	for n := range 20 {
		waits = append(waits, store.Submit(t.Context(), owner, set(fmt.Sprint(n), 20_000)))
	}
	waits = append(waits, store.Submit(t.Context(), owner, set("first", 10))) // a conflict needs no room
	release()
	written := 1
	for n, wait := range waits {
		result, err := wait()
		switch {
		case n == 20:
			if err != nil || result.Status != record.Conflict {
				t.Errorf("the conflict: %+v, %v", result, err)
			}
		case err == nil:
			written++
		default:
			assertUnavailable(t, err, false, "commit of 1 units: refused: write 1 records: ", "full")
		}
	}
	if written < 2 || written > 20 {
		t.Errorf("%d writes fit", written)
	}
	if a, err := store.Account(t.Context(), owner); err != nil || a.RecordCount != int64(written) || a.Head != record.Revision(written) {
		t.Errorf("%+v, %v; %d were acknowledged", a, err, written)
	}
	exec(t, db, "PRAGMA max_page_count = 1000000")
	mustWrite(t, store, set("after", 20_000))
}

// When the outcome of a group's commit is lost, nothing is run again, and each
// member is told what is true of it.
func testAGroupWhoseCommitIsLost(t *testing.T, db *storage.DB) {
	store := newStore(db)
	one, two := ownerNumber(1), ownerNumber(2)
	if _, err := store.Write(t.Context(), two, set("a", 1)); err != nil {
		t.Fatal(err)
	}
	onCommit(t, db, "PERFORM nextval('tries'); PERFORM pg_terminate_backend(pg_backend_pid());")
	release := store.Hold()
	applied := store.Submit(t.Context(), one, set("a", 1))
	stale := store.Submit(t.Context(), one, set("a", 1)) // a conflict only if the one before stands
	apart := store.Submit(t.Context(), two, set("a", 1))
	release()
	_, err := applied()
	assertUnavailable(t, err, true)
	_, err = stale()
	assertUnavailable(t, err, false)
	if result, err := apart(); err != nil || result.Status != record.Conflict {
		t.Errorf("a conflict that has nothing to do with the commit: %+v, %v", result, err)
	}
	assertTries(t, db, 1)
}

// Whatever the driver makes of a connection that breaks while a commit is under
// way, the outcome is unknown.
func TestAConnectionThatBreaksInACommit(t *testing.T) {
	t.Parallel()
	server := testservers.StartPostgres(t)
	pooler := testservers.StartPgBouncer(t, server, 5)
	for n, c := range []struct { // the server does not notice that the first is gone
		name string
		db   *storage.DB
		kill func()
	}{
		{"of a pooler", pooler.Open(t), pooler.Kill},
		{"of the server", server.Open(t), server.Kill},
	} {
		t.Run(c.name, func(t *testing.T) {
			onCommit(t, c.db, "PERFORM pg_sleep(60);")
			store := newStore(c.db)
			lost := make(chan error, 1)
			go func() {
				_, err := store.Write(t.Context(), owner, set("a", 1))
				lost <- err
			}()
			testservers.Await(t, "the commit is under way", func(ctx context.Context) bool {
				return server.Holds(ctx, fmt.Sprintf("SELECT count(*) = %d FROM pg_stat_activity WHERE wait_event = 'PgSleep'", n+1))
			})
			c.kill()
			assertUnavailable(t, <-lost, true)
		})
	}
}

// A group that gave way to another transaction is run again, each member alone.
func testAGroupThatGivesWay(t *testing.T, db *storage.DB) {
	store := newStore(db)
	onCommit(t, db, "IF nextval('tries') < 3 THEN RAISE EXCEPTION 'clash' USING ERRCODE = '40P01'; END IF;")
	release := store.Hold()
	var waits []func() (record.Result, error)
	for n := range 5 {
		waits = append(waits, store.Submit(t.Context(), owner, set(fmt.Sprint(n), 1)))
	}
	release()
	for n, wait := range waits {
		if result, err := wait(); err != nil || result.Head != record.Revision(n+1) {
			t.Errorf("%+v, %v", result, err)
		}
	}
}

// What panics fails, and nothing else does.
func TestAPanicFailsItsOwnWriteOnly(t *testing.T) {
	t.Parallel()
	testPanic(t, testservers.SQLite(t))
}

func testPanic(t *testing.T, db *storage.DB) {
	judged := 0
	store := newStore(db, func() time.Time {
		if judged++; judged == 2 || judged == 4 { // in the group, then alone
			panic("a fault")
		}
		return time.Now()
	})
	release := store.Hold()
	var errs []error
	var waits []func() (record.Result, error)
	for n := range 3 {
		waits = append(waits, store.Submit(t.Context(), ownerNumber(n), set("a", 1)))
	}
	release()
	for _, wait := range waits {
		_, err := wait()
		errs = append(errs, err)
	}
	if errs[0] != nil || errs[1] == nil || errs[2] != nil {
		t.Errorf("%v; want only the second to fail", errs)
	}
	if _, unavailable := errors.AsType[*record.UnavailableError](errs[1]); unavailable {
		t.Errorf("%v; a fault of ours is no outage", errs[1])
	}
	mustWrite(t, store, set("after", 1))
}
