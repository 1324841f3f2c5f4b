package storage_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"syncline/storage"
)

func TestCompact(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	nobody := func(int64, int64) {}
	if _, _, err := storage.CompactSQLite(t.Context(), dir, nobody); !errors.Is(err, storage.ErrNoDatabase) {
		t.Errorf("without a database: %v", err)
	}
	db, err := storage.OpenSQLite(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	const many = `WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
INSERT INTO syncline_records (owner, id, revision, updated_at, data) SELECT zeroblob(33), 'r' || i, i, 1, zeroblob(3000) FROM n`
	for _, statement := range []string{many, "DELETE FROM syncline_records WHERE revision > 10"} {
		if _, err := db.Write.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := storage.CompactSQLite(t.Context(), dir, nobody); !errors.Is(err, storage.ErrInUse) || !strings.Contains(fmt.Sprint(err), fmt.Sprint(os.Getpid())) {
		t.Errorf("while it is open: %v", err)
	}
	if err := os.Chmod(filepath.Join(dir, "syncline.db"), 0o640); err != nil { // a group may read it
		t.Fatal(err)
	}
	epochs, err := db.Epochs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "syncline.db.compacting"), []byte("of one that was killed"), 0o600); err != nil {
		t.Fatal(err)
	}
	before, after, err := storage.CompactSQLite(t.Context(), dir, nobody)
	if err != nil || before < 3_000_000 || after > before/10 {
		t.Fatalf("%d bytes of %d, %v", after, before, err)
	}
	info, err := os.Stat(filepath.Join(dir, "syncline.db"))
	if err != nil || info.Size() != after || info.Mode().Perm() != 0o640 {
		t.Errorf("the file: %v, %v", info, err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*compacting*")); err != nil || len(left) > 0 {
		t.Errorf("left: %q, %v", left, err)
	}
	if db, err = storage.OpenSQLite(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if n := db.Read.Record.Query().CountX(t.Context()); n != 10 {
		t.Errorf("%d records, want 10", n)
	}
	if now, err := db.Epochs(t.Context()); err != nil || fmt.Sprint(now) != fmt.Sprint(epochs) {
		t.Errorf("epochs %v, want %v: %v", now, epochs, err)
	}
	if err := db.Migrate(t.Context()); err != nil {
		t.Error(err)
	}
}
