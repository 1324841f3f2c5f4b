package sqlite_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"syncline/storage"
	"syncline/storage/sqlite"
)

// The names of tables and columns in statements are those that migrations make: each statement is one that
// the database takes, whether or not a test happens to run it.
func TestStatementsFitTheTables(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, err := storage.OpenSQLite(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.db"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	raw, err := sql.Open("sqlite", files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	for name, text := range sqlite.Statements() {
		if _, err := raw.ExecContext(t.Context(), "EXPLAIN "+text, make([]any, placesOf(text))...); err != nil {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
	}
}

// placesOf counts the parameters of a statement.
func placesOf(text string) (n int) {
	for i, c := range text {
		if c == '?' && (i+1 == len(text) || text[i+1] < '1' || text[i+1] > '9' || text[i+1] > '0'+byte(n)) {
			n++
		}
	}
	return n
}
