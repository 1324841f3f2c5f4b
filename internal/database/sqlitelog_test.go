package database_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"syncline/internal/database"
)

// While somebody reads at any moment, SQLite never begins its log anew by
// itself: it would grow as long as there is much to do.
func TestTheLogIsCutWhileThereAreReaders(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := open(t, dir)
	defer db.Close()
	if _, err := db.Write.ExecContext(t.Context(), "CREATE TABLE t (n INTEGER PRIMARY KEY, b BLOB)"); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var reading sync.WaitGroup
	defer reading.Wait()
	defer stop()
	reading.Go(func() { readWithoutPause(t, ctx, db) })

	const each, most = 4 << 20, 512 << 20
	size := int64(0)
	for range most / each {
		writeZeros(t, db, each)
		info, err := os.Stat(filepath.Join(dir, "syncline.db-wal"))
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() < size {
			return
		}
		size = info.Size()
	}
	t.Errorf("the log has grown to %d bytes", size)
}

func writeZeros(t *testing.T, db *database.DB, size int) {
	t.Helper()
	tx, err := db.Write.BeginTx(t.Context(), &sql.TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(t.Context(), "INSERT OR REPLACE INTO t VALUES (1, zeroblob(?))", size); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

// readWithoutPause begins each snapshot before it ends the one before.
func readWithoutPause(t *testing.T, ctx context.Context, db *database.DB) {
	last := snapshot(t, ctx, db)
	for ctx.Err() == nil {
		next := snapshot(t, ctx, db)
		last()
		last = next
	}
	last()
}

func snapshot(t *testing.T, ctx context.Context, db *database.DB) (end func()) {
	end = func() {}
	tx, err := db.Read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err == nil {
		end = func() { _ = tx.Rollback() }
		_, err = tx.Account.Query().Exist(ctx)
	}
	if err != nil && ctx.Err() == nil {
		t.Error(err)
	}
	return end
}
