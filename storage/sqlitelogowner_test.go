package storage_test

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"syncline/storage"
)

var sqliteFiles = []string{"syncline.db", "syncline.db-wal", "syncline.log-of"}

// crashed is a copy of a directory as a crash leaves it.
func crashed(t *testing.T, dir string) string {
	t.Helper()
	image := t.TempDir()
	for _, name := range sqliteFiles {
		copyFile(t, filepath.Join(dir, name), filepath.Join(image, name))
	}
	return image
}

// copyFile copies in place, as cp does.
func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func rows(t *testing.T, dir string) string {
	t.Helper()
	db := open(t, dir)
	defer db.Close()
	return queryText(t, db, "SELECT count(*) FROM t")
}

// After a crash, the log is replayed over its own file and over no other.
func TestAForeignLogIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var commits sync.Mutex
	db := open(t, dir)
	if _, err := db.Write.ExecContext(t.Context(), "CREATE TABLE t (n INTEGER PRIMARY KEY, b BLOB)"); err != nil {
		t.Fatal(err)
	}
	writeZeros(t, db, &commits, 10)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	backup := filepath.Join(t.TempDir(), "backup")
	copyFile(t, filepath.Join(dir, "syncline.db"), backup)

	db = open(t, dir)
	defer db.Close()
	writeZeros(t, db, &commits, 10)
	if _, err := db.Write.ExecContext(t.Context(), "INSERT INTO t VALUES (2, 'x')"); err != nil {
		t.Fatal(err)
	}
	image := crashed(t, dir)
	vacuumed := filepath.Join(t.TempDir(), "vacuumed")
	if _, err := db.Write.ExecContext(t.Context(), "VACUUM INTO '"+vacuumed+"'"); err != nil {
		t.Fatal(err)
	}
	for name, put := range map[string]string{"an older backup": backup, "one of today, made anew": vacuumed, "nothing": os.DevNull} {
		place := crashed(t, image)
		copyFile(t, put, filepath.Join(place, "syncline.db"))
		before, _ := os.ReadFile(filepath.Join(place, "syncline.db-wal"))
		if other, err := storage.OpenSQLite(t.Context(), place); !errors.Is(err, storage.ErrForeignLog) {
			t.Errorf("%s: %v, want ErrForeignLog", name, err)
			if err == nil {
				other.Close()
			}
			continue
		} else {
			assertLine(t, err, "syncline restore")
		}
		after, _ := os.ReadFile(filepath.Join(place, "syncline.db-wal"))
		if string(before) != string(after) {
			t.Errorf("%s: the log that was refused was changed", name)
		}
		if put == backup {
			if err := os.Remove(filepath.Join(place, "syncline.db-wal")); err != nil {
				t.Fatal(err)
			}
			if got := rows(t, place); got != "1" {
				t.Errorf("the backup without the log has %s rows", got)
			}
		}
	}
	if got := rows(t, image); got != "2" {
		t.Errorf("after a crash there are %s rows, want both", got)
	}
}
