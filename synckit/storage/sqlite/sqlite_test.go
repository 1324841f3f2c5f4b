package sqlite_test

import (
	"path/filepath"
	"testing"
	"time"

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

// The greatest time that a process has seen counts after a restart, though another one, which
// has not seen it, wrote later.
func TestTimesOfTwoProcesses(t *testing.T) {
	t.Parallel()
	config := sqlite.Config{DataSourceName: file(t)}
	one, two := closeAtEnd(t, open(t, config)), closeAtEnd(t, open(t, config))
	store(t, one, "one")
	store(t, two, "two")
	ahead := time.Now().Add(time.Hour)
	pull := func(s *sqlite.Store, id string, at time.Time) {
		t.Helper()
		e := synckit.NewEvent(id, "NoteTaken", "x", id, map[string]any{synckit.ClockKey: 1, synckit.TimeKey: at.UnixMicro()})
		if _, err := s.Commit(t.Context(), synckit.Commit{Append: []synckit.Entry{{EventWithVersion: synckit.EventWithVersion{Event: e}, Origin: "p"}}}); err != nil {
			t.Fatal(err)
		}
	}
	reopened := func(id string) {
		t.Helper()
		again := closeAtEnd(t, open(t, config))
		store(t, again, id)
		all, err := again.LoadByAggregate(t.Context(), "x", nil)
		if err != nil {
			t.Fatal(err)
		}
		if last := all[len(all)-1].Event; last.ID() != id || !synckit.TimeOf(last).After(ahead) {
			t.Errorf("%s at %v, not after %v", last.ID(), synckit.TimeOf(last), ahead)
		}
	}
	pull(one, "ahead", ahead)
	store(t, two, "two, next")
	reopened("again")
	ahead = ahead.Add(time.Hour)
	pull(one, "further ahead", ahead)
	pull(one, "behind", ahead.Add(-4*time.Hour))
	pull(two, "behind, too", ahead.Add(-4*time.Hour))
	reopened("once more")
}
