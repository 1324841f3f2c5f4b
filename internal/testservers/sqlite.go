package testservers

import (
	"context"
	"testing"

	"syncline/internal/database"
)

// SQLite opens a fresh database, up to date, that lives as long as the test.
func SQLite(t testing.TB) *database.DB {
	t.Helper()
	db, err := database.OpenSQLite(t.Context(), t.TempDir())
	return upToDate(t, db, err)
}

func upToDate(t testing.TB, db *database.DB, err error) *database.DB {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close the database: %v", err)
		}
	})
	if err := db.Migrate(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	return db
}
