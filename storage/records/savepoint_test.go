package records_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"syncline/internal/testservers"
	"syncline/record"
	"syncline/storage"
	"syncline/storage/records"
)

// An account that was made, and unmade by the rollback to the savepoint before,
// is not locked any more: whoever went on with it would write over what another
// process wrote meanwhile.
func TestAnAccountThatWasUnmadeIsNotWrittenTo(t *testing.T) {
	t.Parallel()
	db := testservers.StartPostgres(t).Open(t)
	fencedOwner, fenced := ownerNumber(7), set("a", 1)
	fenced.Fence = &record.Fence{Lock: "lock", Token: 1}
	db.Write.Account.Create().SetID(fencedOwner[:]).ExecX(t.Context())
	db.Write.Lock.Create().SetOwner(fencedOwner[:]).SetID("lock").SetFence(1).ExecX(t.Context())
	timeOutOnSecondFence(t, db)

	store, judging, goOn := stopAtJudging(db)
	defer goOn()
	release := store.Hold()
	waits := []func() (record.Result, error){
		store.Submit(t.Context(), owner, set("a", 1)),
		store.Submit(t.Context(), fencedOwner, fenced),
	}
	release()
	<-judging
	elsewhere := newStore(db) // as another process has it
	other := elsewhere.Submit(t.Context(), owner, set("a", 1))
	written := make(chan struct{})
	go func() { _, _ = other(); close(written) }()
	testservers.Await(t, "the other process has written, or waits", func(ctx context.Context) bool {
		select {
		case <-written:
			return true
		default:
			return waiting(ctx, t, db) > 0
		}
	})
	goOn()
	created := 0
	for _, wait := range append(waits, other) {
		result, err := wait()
		if err != nil {
			t.Fatal(err)
		}
		if result.Status == record.Success {
			created++
		}
	}
	if created != 2 {
		t.Errorf("%d writes created two records", created)
	}
	if n := queryInt(t, db, "SELECT last_value FROM reads"); n != 2 {
		t.Errorf("the fence was read %d times, want the time before and the one that failed", n)
	}
}

// timeOutOnSecondFence has the second statement that reads a fence fail like one
// that waited for too long: the first runs before accounts are made, the second
// after.
func timeOutOnSecondFence(t *testing.T, db *storage.DB) {
	t.Helper()
	exec(t, db, "CREATE SEQUENCE reads")
	exec(t, db, `CREATE FUNCTION at_fence() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
		IF nextval('reads') = 2 THEN RAISE EXCEPTION 'waited' USING ERRCODE = '55P03'; END IF;
		RETURN true; END $$`)
	exec(t, db, "ALTER TABLE syncline_locks RENAME TO fences")
	exec(t, db, "CREATE VIEW syncline_locks AS SELECT * FROM fences WHERE at_fence()")
}

// stopAtJudging makes a store that stops when it judges its first write, until it
// is told to go on.
func stopAtJudging(db *storage.DB) (store *records.Store, judging <-chan struct{}, goOn func()) {
	stopped, told := make(chan struct{}), make(chan struct{})
	var judged atomic.Int64
	store = newStore(db, func() time.Time {
		if judged.Add(1) == 1 {
			close(stopped)
			<-told
		}
		return time.Now()
	})
	return store, stopped, sync.OnceFunc(func() { close(told) })
}
