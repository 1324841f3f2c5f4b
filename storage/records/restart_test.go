package records_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"syncline/internal/testservers"
	"syncline/record"
	"syncline/storage"
)

// A PostgreSQL that crashes under load is unavailable, whatever its connections
// were at: no other error reaches those who write and read.
func TestACrashIsUnavailable(t *testing.T) {
	t.Parallel()
	server := testservers.StartPostgres(t)
	store := newStore(server.Open(t))
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	var wg sync.WaitGroup
	for i := range 16 {
		owner := record.Owner{0: 2, 32: byte(i)}
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				_, err := store.Write(ctx, owner, set(fmt.Sprint(n), 10))
				if err == nil {
					_, err = store.Account(ctx, owner)
				}
				if _, ok := errors.AsType[*record.UnavailableError](err); err != nil && !ok && ctx.Err() == nil {
					t.Errorf("%v", err)
					return
				}
			}
		})
	}
	for range 2 {
		mustEventuallyWrite(ctx, t, store)
		server.Kill()
		server.Start()
	}
	mustEventuallyWrite(ctx, t, store)
	stop()
	wg.Wait()
}

// A process that stood still in the middle of a transaction finds that PostgreSQL
// has ended it.
func TestATransactionThatStoodStillIsUnavailable(t *testing.T) {
	t.Parallel()
	server := testservers.StartPostgres(t)
	address := server.NewURL(t)
	migrating, err := storage.OpenPostgres(t.Context(), address, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(migrating.Migrate(t.Context()), migrating.Close()); err != nil {
		t.Fatal(err)
	}
	db, err := storage.OpenPostgres(t.Context(), address+"&idle_in_transaction_session_timeout=10s", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	standStill := false
	store := newStore(db, func() time.Time {
		if standStill {
			testservers.Await(t, "PostgreSQL ends the transaction", func(ctx context.Context) bool {
				return server.Holds(ctx, "SELECT count(*) = 0 FROM pg_stat_activity WHERE state = 'idle in transaction'")
			})
		}
		return time.Now()
	})
	mustWrite(t, store, set("a", 1))
	standStill = true
	_, err = store.Write(t.Context(), owner, set("a", 1)) // a conflict, whose data is still to be read
	assertUnavailable(t, err, false)
	_, err = store.Write(t.Context(), owner, set("b", 1))
	assertUnavailable(t, err, true)
	standStill = false
	mustWrite(t, store, set("b", 1))
}

// mustEventuallyWrite waits until some writes of an owner of its own succeed.
func mustEventuallyWrite(ctx context.Context, t *testing.T, store record.Store) {
	t.Helper()
	owner := record.Owner{0: 3}
	for successes := 0; successes < 20; {
		request := set(fmt.Sprint(time.Now().UnixNano()), 10)
		if _, err := store.Write(ctx, owner, request); err == nil {
			successes++
		} else if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}
