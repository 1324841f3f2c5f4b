package storage_test

import (
	"context"
	"os"
	"testing"

	"syncline/internal/testservers"
	"syncline/storage"
)

func nothing(string, int64) {}

// What a move copies knows none of the nonces that were used there, so that the mark
// which says that none is missing must go.
func TestAMoveLeavesNoMark(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	to := open(t, dir)
	defer closeDB(t, to)
	if _, err := os.Lstat(storage.NoncesMark(dir)); err != nil {
		t.Fatal("before: ", err)
	}
	from := open(t, t.TempDir())
	defer closeDB(t, from)
	if err := storage.Move(t.Context(), from, to, nothing, nothing); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(storage.NoncesMark(dir)); !os.IsNotExist(err) {
		t.Errorf("after: %v", err)
	}
}

// Each side of a move waits for the other for as long as that takes, not only for as long as
// PostgreSQL leaves a transaction idle elsewhere.
func TestASideOfAMoveWaits(t *testing.T) {
	t.Parallel()
	server := testservers.StartPostgres(t)
	from, to := openPostgres(t, server.NewURL(t)+"&idle_in_transaction_session_timeout=3s"), openPostgres(t, server.NewURL(t)+"&idle_in_transaction_session_timeout=3s")
	watcher := openPostgres(t, server.NewURL(t))
	const idle = "SELECT count(*) FROM pg_stat_activity WHERE datname LIKE 'test%' AND state = 'idle in transaction'"
	waited := false
	wait := func(string, int64) {
		if waited {
			return
		}
		waited = true
		testservers.Await(t, "both are idle for longer, or were ended", func(context.Context) bool {
			return queryText(t, watcher, idle) != "2" || queryText(t, watcher, idle+" AND now() - state_change > interval '3500 ms'") == "2"
		})
	}
	if err := storage.Move(t.Context(), from, to, nothing, wait); err != nil || !waited {
		t.Errorf("waited: %v, %v", waited, err)
	}
}
