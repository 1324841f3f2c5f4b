package sqlite_test

import (
	"path/filepath"
	"testing"

	"syncline/synckit"
	"syncline/synckit/storage/sqlite"
	"syncline/synckit/storage/storagetest"
)

func open(t *testing.T, config sqlite.Config) *sqlite.Store {
	t.Helper()
	store, err := sqlite.New(&config)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func TestConformance(t *testing.T) {
	t.Parallel()
	storagetest.RunDurable(t, func(t *testing.T, dir string) synckit.EventStore {
		return open(t, sqlite.Config{DataSourceName: "file:" + filepath.Join(dir, "events.db")})
	})
}

func TestConformanceWithoutWAL(t *testing.T) {
	t.Parallel()
	storagetest.RunDurable(t, func(t *testing.T, dir string) synckit.EventStore {
		return open(t, sqlite.Config{DataSourceName: filepath.Join(dir, "events.db"), DisableWAL: true, MaxOpenConns: 1})
	})
}

func TestConformanceInMemory(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T) synckit.EventStore {
		return open(t, sqlite.Config{DataSourceName: ":memory:", TableName: "order"})
	})
}
