package sqlite_test

import (
	"path/filepath"
	"testing"

	"syncline/synckit"
	"syncline/synckit/storage/sqlite"
	"syncline/synckit/storage/storagetest"
)

func TestKilledWriters(t *testing.T) {
	storagetest.RunKilled(t, func(dir string) (synckit.Log, error) {
		return sqlite.NewWithDataSource("file:" + filepath.Join(dir, "events.db"))
	})
}
