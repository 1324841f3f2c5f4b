package storage_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"syncline/internal/testservers"
	"syncline/storage"
)

func TestSQLiteIsDurableAndKeepsReadersFromWriting(t *testing.T) {
	t.Parallel()
	db := testservers.SQLite(t)
	for _, c := range []struct{ pragma, want string }{
		{"journal_mode", "wal"},
		{"synchronous", "2"}, // FULL
		{"foreign_keys", "1"},
	} {
		if got := queryText(t, db, "PRAGMA "+c.pragma); got != c.want {
			t.Errorf("%s is %s, want %s", c.pragma, got, c.want)
		}
	}
	if err := db.Read.Account.Create().SetID(make([]byte, 33)).Exec(t.Context()); err == nil {
		t.Error("a reader wrote")
	}
}

func TestSQLiteServesReadersWhileAWriterIsAtWork(t *testing.T) {
	t.Parallel()
	db := testservers.SQLite(t)
	tx, err := db.Write.Tx(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if err := tx.Account.Create().SetID(make([]byte, 33)).Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if n, err := db.Read.Account.Query().Count(t.Context()); n != 0 || err != nil {
		t.Errorf("a reader sees %d uncommitted rows, error %v", n, err)
	}
}

func TestSQLiteKeepsItsDataAcrossOpens(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "made for it", "100% odd?#name")
	first := open(t, dir)
	epoch := first.Read.Epoch.Query().OnlyX(t.Context())
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := open(t, dir)
	defer second.Close()
	if again := second.Read.Epoch.Query().OnlyX(t.Context()); string(again.Epoch) != string(epoch.Epoch) {
		t.Error("another epoch after a restart")
	}
	for _, name := range []string{"syncline.db", "syncline.db-wal"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", name, info.Mode().Perm())
		}
	}
}

func TestSQLiteRefusesWhatItCannotOpen(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		make func(t *testing.T) (dir string)
		want string
	}{
		{"a file", func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "file")
			write(t, path, "x")
			return path
		}, "not a directory"},
		{"below a file", func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "file")
			write(t, path, "x")
			return filepath.Join(path, "db")
		}, "not a directory"},
		{"no database", func(t *testing.T) string {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "syncline.db"), strings.Repeat("no database ", 1000))
			return dir
		}, "damaged, or not an SQLite database"},
		{"a directory in place of the file", func(t *testing.T) string {
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "syncline.db"), 0o700); err != nil {
				t.Fatal(err)
			}
			return dir
		}, "is not a regular file"},
		{"a link in place of the file", func(t *testing.T) string {
			dir := t.TempDir()
			if err := os.Symlink(filepath.Join(t.TempDir(), "elsewhere"), filepath.Join(dir, "syncline.db")); err != nil {
				t.Fatal(err)
			}
			return dir
		}, "is not a regular file"},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := c.make(t)
			_, err := storage.OpenSQLite(t.Context(), dir)
			assertLine(t, err, c.want, dir)
		})
	}
}

func TestSQLiteRefusesADirectoryThatIsNotWritable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 { // root may write anywhere but to the kernel
		dir = "/sys/syncline"
	}
	_, err := storage.OpenSQLite(t.Context(), dir)
	assertLine(t, err, "may not write", dir)
}

// inUseDir tells this test binary to act as another process.
const inUseDir = "SYNCLINE_TEST_OPEN_DIR"

func TestSQLiteInUseByAnotherProcessIsRefused(t *testing.T) {
	if dir := os.Getenv(inUseDir); dir != "" {
		_, err := storage.OpenSQLite(t.Context(), dir)
		if !errors.Is(err, storage.ErrInUse) {
			t.Fatalf("opened a database in use: %v", err)
		}
		return
	}
	t.Parallel()
	dir := t.TempDir()
	db := open(t, dir)
	_, err := storage.OpenSQLite(t.Context(), dir)
	assertLine(t, err, "another process has it open", dir)

	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	other := exec.Command(self, "-test.run=^"+t.Name()+"$")
	other.Env = append(os.Environ(), inUseDir+"="+dir)
	if out, err := other.CombinedOutput(); err != nil {
		t.Errorf("another process: %v\n%s", err, out)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := open(t, dir).Close(); err != nil {
		t.Error(err)
	}
}

func open(t *testing.T, dir string) *storage.DB {
	t.Helper()
	db, err := storage.OpenSQLite(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// assertLine checks that an error is one line that says all of these.
func assertLine(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("%q is more than one line", err)
	}
}

func queryText(t *testing.T, db *storage.DB, query string) string {
	t.Helper()
	texts := queryTexts(t, db, query)
	if len(texts) != 1 {
		t.Fatalf("%s: %d rows", query, len(texts))
	}
	return texts[0]
}

// queryTexts reads rows of one column.
func queryTexts(t *testing.T, db *storage.DB, query string, args ...any) []string {
	t.Helper()
	rows, err := db.Write.QueryContext(context.WithoutCancel(t.Context()), query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var texts []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		texts = append(texts, text)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return texts
}
