package records_test

import (
	"testing"
	"time"

	"syncline/internal/testservers"
	"syncline/record"
	"syncline/storage"
	"syncline/storage/records"
)

// Statements that were prepared before the tables changed, as an upgrade does beside
// instances of the version before, are prepared again, not failed.
func TestTablesThatChangeUnderPreparedStatements(t *testing.T) {
	t.Parallel()
	url := testservers.StartPostgres(t).NewURL(t)
	db, err := storage.OpenPostgres(t.Context(), url, storage.WithMaxConnections(2))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	store := records.New(db, db.NewEngine(), records.WithClock(time.Now))
	owner := record.Owner{0: 2, 32: 1}
	read := func() {
		t.Helper()
		if _, err := store.Records(t.Context(), owner, []string{"a"}); err != nil {
			t.Errorf("a read: %v", err)
		}
	}
	for range 5 { // on each connection
		read()
	}
	for _, length := range []string{"varchar(200)", "text", "varchar(300)"} {
		if _, err := db.Write.ExecContext(t.Context(), "ALTER TABLE syncline_records ALTER COLUMN schema_version TYPE "+length); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			read()
		}
	}
}
