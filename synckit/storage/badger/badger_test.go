package badger_test

import (
	"testing"

	"syncline/synckit"
	"syncline/synckit/storage/badger"
	"syncline/synckit/storage/storagetest"
)

func open(t *testing.T, config badger.Config) *badger.Store {
	t.Helper()
	store, err := badger.New(&config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

func TestConformance(t *testing.T) {
	t.Parallel()
	storagetest.RunDurable(t, func(t *testing.T, dir string) synckit.EventStore {
		return open(t, badger.Config{Dir: dir})
	})
}

func TestKilledWriters(t *testing.T) {
	storagetest.RunKilled(t, func(dir string) (synckit.Log, error) {
		return badger.New(&badger.Config{Dir: dir})
	})
}
