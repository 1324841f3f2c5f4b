package locker_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	entsql "entgo.io/ent/dialect/sql"

	"syncline/ent"
	"syncline/ent/account"
	"syncline/ent/lockholder"
	"syncline/internal/testservers"
	"syncline/locks"
	"syncline/storage"
	"syncline/storage/locker"
)

func ownerNumber(n int) locks.Owner { return locks.Owner{0: 2, 32: byte(n)} }

// An account that another process has locked and does not let go of holds up its
// owner's requests, and nobody else's.
func TestAccountsLockedElsewhere(t *testing.T) {
	t.Parallel()
	server := testservers.StartPostgres(t)
	for _, c := range []struct {
		name string
		test func(t *testing.T, address string)
	}{
		{"many requests of one owner", func(t *testing.T, address string) { testOthersGoOn(t, address, 1, 40, lockAccount) }},
		{"many requests of a new owner", func(t *testing.T, address string) { testOthersGoOn(t, address, 1, 40, makeAccount) }},
		{"a request each of many owners", func(t *testing.T, address string) { testOthersGoOn(t, address, 20, 1, lockAccount) }},
		{"a request each of many new owners", func(t *testing.T, address string) { testOthersGoOn(t, address, 20, 1, makeAccount) }},
		{"another owner who waits", testAnotherWhoWaits},
		{"a request that ends", testARequestThatEnds},
		{"reads beside many owners' requests", testReadsGoOn},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, server.NewURL(t))
		})
	}
}

// testOthersGoOn has few connections, and more requests that wait.
func testOthersGoOn(t *testing.T, address string, owners, each int, freeze func(*testing.T, *storage.DB, *ent.Tx, locks.Owner)) {
	db, elsewhere := open(t, address, 4), open(t, address)
	frozen := begin(t, elsewhere)
	for n := range owners {
		freeze(t, elsewhere, frozen, ownerNumber(n))
	}
	locker := locker.New(db, db.NewEngine())
	finish := acquireAll(t, locker, owners, each)
	awaitWaitingFor(t, frozen)
	acquireOthers(t, locker)
	if err := frozen.Rollback(); err != nil {
		t.Fatal(err)
	}
	if granted, err := finish(); err != nil || granted != owners {
		t.Errorf("%d grants of %d locks, %v", granted, owners, err)
	}
}

func lockAccount(t *testing.T, elsewhere *storage.DB, tx *ent.Tx, owner locks.Owner) {
	elsewhere.Write.Account.Create().SetID(owner[:]).ExecX(t.Context())
	tx.Account.Query().Where(account.ID(owner[:])).ForUpdate().OnlyX(t.Context())
}

func makeAccount(t *testing.T, _ *storage.DB, tx *ent.Tx, owner locks.Owner) {
	tx.Account.Create().SetID(owner[:]).ExecX(t.Context())
}

// acquireAll has instances of some owners ask for a lock at once. finish waits
// for them and tells how many got it.
func acquireAll(t *testing.T, locker locks.Locker, owners, each int) (finish func() (granted int, err error)) {
	type answer struct {
		grant locks.Grant
		err   error
	}
	answers := make(chan answer, owners*each)
	for n := range cap(answers) {
		go func() {
			grant, err := locker.Acquire(t.Context(), ownerNumber(n%owners), exclusive("a", fmt.Sprint(n)))
			answers <- answer{grant, err}
		}()
	}
	return func() (granted int, err error) {
		for range cap(answers) {
			a := <-answers
			if err = errors.Join(err, a.err); a.grant.Acquired {
				granted++
			}
		}
		return granted, err
	}
}

// acquireOthers asks for other owners, so many that what waits has taken all
// connections before the last, if it can.
func acquireOthers(t *testing.T, locker locks.Locker) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for n := range 30 {
		if grant, err := locker.Acquire(ctx, ownerNumber(100+n), exclusive("a", "me")); err != nil || !grant.Acquired {
			t.Fatalf("request number %d of another owner: %+v, %v", n, grant, err)
		}
	}
}

// testAnotherWhoWaits has one owner's account locked for good, and another's for
// a while.
func testAnotherWhoWaits(t *testing.T, address string) {
	db, elsewhere := open(t, address), open(t, address)
	frozen, slow := begin(t, elsewhere), begin(t, elsewhere)
	lockAccount(t, elsewhere, frozen, ownerNumber(0))
	lockAccount(t, elsewhere, slow, alice)
	locker := locker.New(db, db.NewEngine())
	finish := acquireAll(t, locker, 1, 40)
	awaitWaitingFor(t, frozen)
	granted := make(chan error, 1)
	go func() {
		_, err := locker.Acquire(t.Context(), alice, exclusive("a", "me"))
		granted <- err
	}()
	awaitWaitingFor(t, slow)
	if err := slow.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-granted; err != nil {
		t.Error(err)
	}
	if err := frozen.Rollback(); err != nil {
		t.Fatal(err)
	}
	if granted, err := finish(); err != nil || granted != 1 {
		t.Errorf("%d grants, %v", granted, err)
	}
}

// testARequestThatEnds ends one that waits behind another of its owner: it is
// over at once, and changes nothing.
func testARequestThatEnds(t *testing.T, address string) {
	db, elsewhere := open(t, address), open(t, address)
	locker := locker.New(db, db.NewEngine())
	frozen := begin(t, elsewhere)
	lockAccount(t, elsewhere, frozen, alice)
	first := make(chan error, 1)
	go func() {
		_, err := locker.Acquire(t.Context(), alice, exclusive("a", "first"))
		first <- err
	}()
	awaitWaitingFor(t, frozen)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := locker.Acquire(ctx, alice, exclusive("b", "second")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want the request's own", err)
	}
	if err := frozen.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-first; err != nil {
		t.Error(err)
	}
	found, err := locker.Read(t.Context(), []locks.Key{{Owner: alice, Name: "a"}, {Owner: alice, Name: "b"}})
	if err != nil || !found[0].Locked() || found[1].Locked() {
		t.Errorf("%+v, %v; want only the first request's lock", found, err)
	}
}

// testReadsGoOn has transactions of many owners come to a stop where they do not
// wait for an account. Others of the process still find a connection.
func testReadsGoOn(t *testing.T, address string) {
	db, elsewhere := open(t, address, 4), open(t, address)
	frozen := begin(t, elsewhere)
	if _, err := frozen.ExecContext(t.Context(), "LOCK TABLE "+lockholder.Table+" IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	finish := acquireAll(t, locker.New(db, db.NewEngine()), 20, 1)
	awaitWaitingFor(t, frozen)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for range 30 {
		if _, err := db.Read.Account.Query().Count(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if err := frozen.Rollback(); err != nil {
		t.Fatal(err)
	}
	if granted, err := finish(); err != nil || granted != 20 {
		t.Errorf("%d grants, %v", granted, err)
	}
}

func open(t *testing.T, address string, maxConnections ...int) *storage.DB {
	t.Helper()
	db, err := storage.OpenPostgres(t.Context(), address, cmp.Or(maxConnections...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

func begin(t *testing.T, db *storage.DB) *ent.Tx {
	t.Helper()
	tx, err := db.Write.Tx(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tx.Rollback() })
	return tx
}

// awaitWaitingFor waits until a transaction waits for this one. In it
// pg_stat_activity would show the same each time; pg_locks is always fresh.
func awaitWaitingFor(t *testing.T, tx *ent.Tx) {
	t.Helper()
	testservers.Await(t, "a transaction waits for another", func(ctx context.Context) bool {
		rows, err := tx.QueryContext(ctx, `SELECT count(*) FROM pg_locks
			WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))`)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		waiting, err := entsql.ScanInt(rows)
		if err := errors.Join(err, rows.Err()); err != nil {
			t.Fatal(err)
		}
		return waiting > 0
	})
}
