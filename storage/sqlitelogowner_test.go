package storage_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
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

// While it is open, SQLite's lock on the file stands, which a process loses with any
// other use of the file that it closes. Without it a tool that has the database open
// beside the server takes itself for the last one when it closes, and removes the log:
// SQLite before 3.51 asks nothing else. This does what that one does.
func TestAToolLeavesTheLog(t *testing.T) {
	const variable = "SYNCLINE_TEST_TOOL" // names the database to the process that is the tool
	if path := os.Getenv(variable); path != "" {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		last := syscall.Flock_t{Type: syscall.F_WRLCK, Start: 1<<30 + 2, Len: 510} // the bytes of those who read
		if err := syscall.FcntlFlock(f.Fd(), syscall.F_SETLK, &last); !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EACCES) {
			t.Fatalf("the lock of the last one: %v", err)
		}
		return
	}
	t.Parallel()
	dir := t.TempDir()
	if err := open(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	db := open(t, dir) // one that has a log from its start
	defer db.Close()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	tool := exec.CommandContext(t.Context(), self, "-test.run=^TestAToolLeavesTheLog$")
	tool.Env = append(os.Environ(), variable+"="+filepath.Join(dir, "syncline.db"))
	if out, err := tool.CombinedOutput(); err != nil {
		t.Fatalf("the tool: %v\n%s", err, out)
	}
}
