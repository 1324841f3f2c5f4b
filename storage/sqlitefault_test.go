package storage_test

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"syncline/storage"
	"syncline/storage/commit"
)

// What is written to files that are not at their place any more is refused, or at
// least not said to stand.
func TestFilesThatAreGone(t *testing.T) {
	t.Parallel()
	remove := func(names ...string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			for _, name := range names {
				if err := os.Remove(filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for name, lose := range map[string]func(*testing.T, string){
		"the database": remove("syncline.db"),
		"the log":      remove("syncline.db-wal"),
		"all":          remove("syncline.db", "syncline.db-wal", "syncline.db-shm", "syncline.lock"),
		"replaced": func(t *testing.T, dir string) {
			path := filepath.Join(dir, "syncline.db")
			content, err := os.ReadFile(path)
			if err == nil {
				err = errors.Join(os.Remove(path), os.WriteFile(path, content, 0o600))
			}
			if err != nil {
				t.Fatal(err)
			}
		},
		"moved": func(t *testing.T, dir string) {
			if err := os.Rename(dir, dir+"-elsewhere"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "db")
			db := open(t, dir)
			defer db.Close()
			var told []error
			db.OnFault(func(err error) { told = append(told, err) })
			if _, err := db.Write.ExecContext(t.Context(), "CREATE TABLE t (n INTEGER PRIMARY KEY, b BLOB)"); err != nil {
				t.Fatal(err)
			}
			var commits sync.Mutex
			writeZeros(t, db, &commits, 10)
			tx, err := db.Write.BeginTx(t.Context(), &sql.TxOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.ExecContext(t.Context(), "INSERT OR REPLACE INTO t VALUES (1, 'x')"); err != nil {
				t.Fatal(err)
			}
			lose(t, dir)
			if err := tx.Commit(); err == nil {
				t.Error("a commit to a file that is gone is said to stand")
			}
			for range 2 {
				_, err = db.Write.BeginTx(t.Context(), &sql.TxOptions{})
				failed, ok := errors.AsType[*commit.Failure](err)
				if !ok || failed.Outcome != commit.Refused {
					t.Errorf("another transaction: %v", err)
				}
			}
			fault, ok := errors.AsType[*storage.Fault](db.Ping(t.Context()))
			if !ok || fault.State() != "gone" || len(told) != 1 {
				t.Errorf("Ping: %v; told %d times", fault, len(told))
			}
		})
	}
}

// A long reader makes the log long. When it is gone, the log is cut off.
func TestTheLogIsCutAfterALongReader(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := open(t, dir)
	defer db.Close()
	if _, err := db.Write.ExecContext(t.Context(), "CREATE TABLE t (n INTEGER PRIMARY KEY, b BLOB)"); err != nil {
		t.Fatal(err)
	}
	size := func() int64 {
		info, err := os.Stat(filepath.Join(dir, "syncline.db-wal"))
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	var commits sync.Mutex
	end := snapshot(t, t.Context(), db)
	for size() < 150<<20 {
		writeZeros(t, db, &commits, 10<<20)
	}
	end()
	for range 4 { // the first ones fold it, the next begins it anew
		writeZeros(t, db, &commits, 1<<10)
	}
	if n := size(); n > 64<<20 {
		t.Errorf("after the reader the log still has %d bytes", n)
	}
}
