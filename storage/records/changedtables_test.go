package records_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"syncline/ent"
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
	db, err := storage.OpenPostgres(t.Context(), url, 2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	store := records.New(db, db.NewEngine())
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

// The first statement that fails so has all connections replaced: no other meets a plan from before.
func TestTablesThatChangeHaveConnectionsReplaced(t *testing.T) {
	t.Parallel()
	const connections = 5
	url := testservers.StartPostgres(t).NewURL(t)
	db, err := storage.OpenPostgres(t.Context(), url, connections)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	var open []*ent.Tx
	for range connections { // at once, so that each has one of its own
		tx, err := db.Read.Tx(t.Context())
		if err == nil {
			_, err = tx.Record.Query().All(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, tx)
	}
	for _, tx := range open {
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
	}
	admin, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(context.Background())
	if _, err := admin.Exec(t.Context(), "ALTER TABLE syncline_records ALTER COLUMN schema_version TYPE varchar(200)"); err != nil {
		t.Fatal(err)
	}
	var changed time.Time
	if err := admin.QueryRow(t.Context(), "SELECT clock_timestamp()").Scan(&changed); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Read.Record.Query().All(t.Context()); err == nil {
		t.Fatal("a statement with an old plan does not fail: this test shows nothing")
	}
	testservers.Await(t, "no connection is left that was there before", func(ctx context.Context) bool {
		var old int
		err := admin.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'syncline' AND backend_start < $1", changed).Scan(&old)
		return err == nil && old == 0
	})
	for range 2 * connections {
		if _, err := db.Read.Record.Query().All(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
