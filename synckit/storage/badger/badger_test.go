package badger_test

import (
	"os"
	"syscall"
	"testing"
	"time"

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

// A directory that somebody is about to let go of is waited for.
func TestLockedForAMoment(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	holder, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(holder.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(100*time.Millisecond, func() { _ = holder.Close() })
	store, err := badger.New(&badger.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Error(err)
	}
}
