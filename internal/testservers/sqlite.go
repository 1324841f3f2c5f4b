package testservers

import (
	"context"
	"testing"

	"syncline/storage"
)

// SQLite opens a fresh database, up to date, that lives as long as the test.
func SQLite(t testing.TB) *storage.DB {
	t.Helper()
	db, err := storage.OpenSQLite(t.Context(), t.TempDir())
	return upToDate(t, db, err)
}

func upToDate(t testing.TB, db *storage.DB, err error) *storage.DB {
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
