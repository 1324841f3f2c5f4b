package records_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"syncline/ent/account"
	"syncline/internal/testservers"
	"syncline/record"
	"syncline/storage"
	"syncline/storage/commit"
)

func ownerNumber(n int) record.Owner { return record.Owner{0: 2, 31: byte(n >> 8), 32: byte(n)} }

// What waits is bounded, by size and for each owner: who comes then is told so
// at once, and what waited is written all the same.
func TestWhatWaitsIsBounded(t *testing.T) {
	t.Parallel()
	store := newStore(testservers.SQLite(t))
	ctx := t.Context()
	release := store.Hold()
	var waits []func() (record.Result, error)
	accepted := map[record.Owner]int{}
	fill := func(owner record.Owner) {
		t.Helper()
		for {
			before := store.Waiting()
			wait := store.Submit(ctx, owner, set(fmt.Sprint(accepted[owner]), record.MaxDataBytes))
			if store.Waiting() == before {
				_, err := wait()
				assertUnavailable(t, err, false)
				return
			}
			waits = append(waits, wait)
			accepted[owner]++
		}
	}
	for n := range 3 {
		fill(ownerNumber(n))
	}
	const half = commit.MaxWaitingBytes / 2 / record.MaxDataBytes
	if got := [3]int{accepted[ownerNumber(0)], accepted[ownerNumber(1)], accepted[ownerNumber(2)]}; got != [3]int{half, half, 0} {
		t.Errorf("accepted %v writes of three owners, want half of what may wait each, and none", got)
	}
	release()
	for _, wait := range waits {
		if _, err := wait(); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 3 {
		a, err := store.Account(ctx, ownerNumber(n))
		if want := int64(accepted[ownerNumber(n)]); err != nil || a.RecordCount != want || a.Head != record.Revision(want) {
			t.Errorf("owner %d: %+v, %v; want %d records", n, a, err, want)
		}
	}
	mustWrite(t, store, set("after", 1))
}

func TestManySmallWritesAreBoundedToo(t *testing.T) {
	t.Parallel()
	store := newStore(testservers.SQLite(t))
	ctx, cancel := context.WithCancel(t.Context())
	release := store.Hold()
	defer release()
	defer cancel()
	for n := range commit.MaxWaiting {
		store.Submit(ctx, ownerNumber(n%1000), set("a", 1))
	}
	_, err := store.Submit(ctx, owner, set("a", 1))()
	assertUnavailable(t, err, false)
}

// One who sends many does not keep out the others: owners take turns.
func TestOwnersTakeTurns(t *testing.T) {
	t.Parallel()
	var judged atomic.Int64
	db := testservers.SQLite(t)
	store := newStore(db, func() time.Time { return time.UnixMicro(judged.Add(1)) })
	release := store.Hold()
	var waits []func() (record.Result, error)
	for n := range 3 * commit.MaxRows {
		waits = append(waits, store.Submit(t.Context(), ownerNumber(1), set(fmt.Sprint(n), 1)))
	}
	waits = append(waits, store.Submit(t.Context(), ownerNumber(2), set("a", 1)))
	release()
	var last record.Result
	for _, wait := range waits {
		var err error
		if last, err = wait(); err != nil {
			t.Fatal(err)
		}
	}
	if turn := last.Results[0].Record.UpdatedAt.UnixMicro(); turn > 2 {
		t.Errorf("the second owner's only write came as number %d", turn)
	}
}

// A group is one transaction, also if it writes a record twice.
func testAGroupIsOneTransaction(t *testing.T, db *storage.DB) {
	store := newStore(db)
	release := store.Hold()
	var waits []func() (record.Result, error)
	for n := range 60 {
		waits = append(waits, store.Submit(t.Context(), ownerNumber(n%20), set(fmt.Sprint(n), 1)))
	}
	again := set("0", 1)
	again.Writes[0].Revision = 1
	waits = append(waits, store.Submit(t.Context(), ownerNumber(0), again))
	release()
	for _, wait := range waits {
		if result, err := wait(); err != nil || result.Status != record.Success {
			t.Fatal(result, err)
		}
	}
	if n := queryInt(t, db, "SELECT count(DISTINCT xmin::text) FROM syncline_records"); n != 1 {
		t.Errorf("%d transactions", n)
	}
}

// While commits are slow, what comes meanwhile shares the next one.
func testASlowCommitIsShared(t *testing.T, db *storage.DB) {
	onCommit(t, db, "PERFORM pg_sleep(0.001);")
	store := newStore(db)
	const writers, each = 64, 3
	errs := make(chan error, writers)
	for n := range writers {
		go func() {
			var err error
			for i := range each {
				_, e := store.Write(t.Context(), ownerNumber(n), set(fmt.Sprint(i), 1))
				err = errors.Join(err, e)
			}
			errs <- err
		}()
	}
	for range writers {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	if n := queryInt(t, db, "SELECT count(DISTINCT xmin::text) FROM syncline_records"); n > writers*each/4 {
		t.Errorf("%d transactions for %d writes", n, writers*each)
	}
}

// However small a table was when a statement was planned, rows are looked up by
// the index: it may have grown since.
func testLookupsGoByTheIndex(t *testing.T, db *storage.DB) {
	mustWrite(t, newStore(db), set("a", 1))
	exec(t, db, "VACUUM ANALYZE")
	count := func(column string) int {
		return queryInt(t, db, "SELECT coalesce(sum("+column+"), 0)::bigint FROM pg_stat_user_tables WHERE relname IN ('syncline_records', 'syncline_accounts')")
	}
	before, scanned := count("idx_scan"), count("seq_scan")
	store := newStore(db)
	const writes = 20 // more than a connection plans anew
	for n := range writes {
		mustWrite(t, store, set(fmt.Sprint(n), 1))
	}
	testservers.Await(t, "the statistics are told", func(context.Context) bool { return count("idx_scan") >= before+writes })
	if n := count("seq_scan") - scanned; n >= writes { // a few may be told late of what was before
		t.Errorf("whole tables were read %d times", n)
	}
}

// The first write of an idle store does not wait for company: in a bubble, time
// passes only for those who wait for it.
func TestAWriteToAnIdleStoreWaitsForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, err := storage.OpenSQLite(t.Context(), t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if err := db.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		store := newStore(db)
		began := time.Now()
		for n := range 10 {
			mustWrite(t, store, set(fmt.Sprint(n), 1))
		}
		if waited := time.Since(began); waited > 0 {
			t.Errorf("ten writes waited for %v", waited)
		}
	})
}

// An owner's row that another process has locked holds up that owner's writes,
// and nobody else's.
func testALockedOwnerHoldsUpNobodyElse(t *testing.T, db *storage.DB) {
	store := newStore(db)
	mustWrite(t, store, set("a", 1))
	holder, err := db.Write.Tx(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Rollback()
	holder.Account.Query().Where(account.ID(owner[:])).ForUpdate().OnlyX(t.Context())

	ending, end := context.WithCancel(t.Context())
	release := store.Hold()
	held := []func() (record.Result, error){
		store.Submit(t.Context(), owner, set("b", 1)),
		store.Submit(t.Context(), owner, set("c", 1)),
	}
	other := store.Submit(t.Context(), ownerNumber(7), set("x", 1))
	release()
	if _, err := other(); err != nil {
		t.Fatal(err)
	}
	for n := range 20 { // in each of many groups
		if _, err := store.Write(t.Context(), ownerNumber(8), set(fmt.Sprint(n), 1)); err != nil {
			t.Fatal(err)
		}
	}
	awaitWaiting(t.Context(), t, db, 1)
	late := store.Submit(ending, owner, set("d", 1))
	end()
	if _, err := late(); !errors.Is(err, context.Canceled) {
		t.Errorf("a write that waits behind the lock and whose request ends: %v", err)
	}
	if err := holder.Rollback(); err != nil {
		t.Fatal(err)
	}
	for i, wait := range held {
		if result, err := wait(); err != nil || result.Head != record.Revision(2+i) {
			t.Errorf("%+v, %v", result, err)
		}
	}
	if result := mustWrite(t, store, set("e", 1)); result.Head != 4 {
		t.Errorf("head %d", result.Head)
	}
}

// Nor does one whom another process is about to make a row for.
func testANewOwnerHoldsUpNobodyElse(t *testing.T, db *storage.DB) {
	store := newStore(db)
	holder, err := db.Write.Tx(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Rollback()
	holder.Account.Create().SetID(owner[:]).ExecX(t.Context())

	release := store.Hold()
	held := store.Submit(t.Context(), owner, set("a", 1))
	before := store.Submit(t.Context(), record.Owner{0: 1}, set("a", 1)) // rows are made in the order of owners
	after := store.Submit(t.Context(), record.Owner{0: 4}, set("a", 1))
	release()
	for _, other := range []func() (record.Result, error){before, after} {
		if result, err := other(); err != nil || result.Head != 1 {
			t.Fatal(result, err)
		}
	}
	awaitWaiting(t.Context(), t, db, 1)
	if err := holder.Rollback(); err != nil {
		t.Fatal(err)
	}
	if result, err := held(); err != nil || result.Head != 1 {
		t.Errorf("%+v, %v", result, err)
	}
}

func TestCloseWaitsForWhatCameBefore(t *testing.T) {
	t.Parallel()
	store := newStore(testservers.SQLite(t))
	release := store.Hold()
	wait := store.Submit(t.Context(), owner, set("a", 1))
	release()
	store.Close(t.Context())
	_, err := store.Write(t.Context(), owner, set("b", 1))
	assertUnavailable(t, err, false)
	if a, err := store.Account(t.Context(), owner); err != nil || a.Head != 1 {
		t.Errorf("%+v, %v: the write before did not end before the close", a, err)
	}
	if _, err := wait(); err != nil {
		t.Error(err)
	}
}

// A client that leaves while its write waits is no fault of the database's.
func TestAWriterWhoLeaves(t *testing.T) {
	t.Parallel()
	store := newStore(testservers.SQLite(t))
	release := store.Hold()
	defer release()
	ctx, leave := context.WithCancel(t.Context())
	wait := store.Submit(ctx, owner, set("a", 1))
	leave()
	_, err := wait()
	if _, unavailable := errors.AsType[*record.UnavailableError](err); !errors.Is(err, context.Canceled) || unavailable {
		t.Errorf("a write whose client left: %v", err)
	}
}
