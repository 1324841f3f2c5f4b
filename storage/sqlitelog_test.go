package storage_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"syncline/storage"
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
	var commits sync.Mutex
	reading.Go(func() { readWithoutPause(t, ctx, db, &commits) })

	const each, most = 4 << 20, 512 << 20
	size := int64(0)
	for range most / each {
		writeZeros(t, db, &commits, each)
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

// writeZeros commits while a reader is at the state before, whose part of the log
// SQLite has to keep.
func writeZeros(t *testing.T, db *storage.DB, commits *sync.Mutex, size int) {
	t.Helper()
	tx, err := db.Write.BeginTx(t.Context(), &sql.TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	commits.Lock()
	defer commits.Unlock()
	if _, err := tx.ExecContext(t.Context(), "INSERT OR REPLACE INTO t VALUES (1, zeroblob(?))", size); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

// readWithoutPause begins each snapshot before it ends the one before, and
// stands still during commits.
func readWithoutPause(t *testing.T, ctx context.Context, db *storage.DB, commits *sync.Mutex) {
	last := snapshot(t, ctx, db)
	for ctx.Err() == nil {
		commits.Lock()
		next := snapshot(t, ctx, db)
		last()
		last = next
		commits.Unlock()
	}
	last()
}

func snapshot(t *testing.T, ctx context.Context, db *storage.DB) (end func()) {
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
