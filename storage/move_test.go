package storage_test

import (
	"context"
	"errors"
	"os"
	"strings"
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

// Of a table that cannot be counted a move does not say that something is kept there.
func TestAMoveThatCannotCountSaysSo(t *testing.T) {
	t.Parallel()
	from, to := open(t, t.TempDir()), openPostgres(t, testservers.StartPostgres(t).NewURL(t))
	defer closeDB(t, from)
	if err := to.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	to.Write.Lock.Create().SetOwner(make([]byte, 33)).SetID("a").SetFence(1).ExecX(t.Context())
	for _, statement := range []string{
		"ALTER TABLE syncline_locks RENAME TO fences",
		"CREATE VIEW syncline_locks AS SELECT * FROM fences WHERE 1 / (fence - 1) > 0",
	} {
		if _, err := to.Write.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	err := storage.Move(t.Context(), from, to, nothing, nothing)
	if errors.Is(err, storage.ErrNotEmpty) || err == nil || !strings.Contains(err.Error(), "syncline_locks") || !strings.Contains(err.Error(), "division by zero") {
		t.Errorf("%v; want the table and what the database said", err)
	}
}

// A server that still runs keeps no nonce that a move has passed by: it waits.
func TestAMoveKeepsNoncesOut(t *testing.T) {
	t.Parallel()
	address := testservers.StartPostgres(t).NewURL(t)
	from, server, to := openPostgres(t, address), openPostgres(t, address+"&lock_timeout=100ms"), open(t, t.TempDir())
	defer closeDB(t, to)
	copied := 0
	insert := func(string, int64) {
		copied++
		err := server.Write.Nonce.Create().SetOwner(make([]byte, 33)).SetID(make([]byte, 16)).SetExpiresAt(1).Exec(t.Context())
		if err == nil || !strings.Contains(err.Error(), "55P03") { // lock_not_available
			t.Errorf("a nonce was kept when %d tables had been copied: %v", copied, err)
		}
	}
	if err := storage.Move(t.Context(), from, to, nothing, insert); err != nil || copied == 0 {
		t.Errorf("copied %d tables, %v", copied, err)
	}
}
