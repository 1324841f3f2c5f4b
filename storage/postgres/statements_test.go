package postgres_test

import (
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"syncline/internal/testservers"
	"syncline/storage"
	"syncline/storage/postgres"
)

func TestMain(m *testing.M) { os.Exit(testservers.Main(m)) }

// The names of tables and columns in statements are those that migrations make: each statement is one that
// the database takes, whether or not a test happens to run it.
func TestStatementsFitTheTables(t *testing.T) {
	t.Parallel()
	url := testservers.StartPostgres(t).NewURL(t)
	db, err := storage.OpenPostgres(t.Context(), url, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for name, text := range postgres.Statements() {
		if _, err := conn.Prepare(t.Context(), name, text); err != nil {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
	}
}
