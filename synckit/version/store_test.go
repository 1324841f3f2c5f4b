package version_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"syncline/synckit"
	"syncline/synckit/cursor"
	"syncline/synckit/errors"
	"syncline/synckit/storage/memory"
	"syncline/synckit/storage/sqlite"
	"syncline/synckit/storage/storagetest"
	"syncline/synckit/version"
)

// plain hides that a store is a log.
type plain struct{ synckit.EventStore }

func versioned(t testing.TB, store synckit.EventStore, node string) version.VersionedStore {
	t.Helper()
	s, err := version.NewVersionedStore(store, node, version.NewVectorClockManager())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func note(id string) synckit.Event { return synckit.NewEvent(id, "NoteTaken", "x", id, nil) }

func store(t testing.TB, s synckit.EventStore, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := s.Store(t.Context(), note(id), nil); err != nil {
			t.Fatal(err)
		}
	}
}

// versions shows all events as id=version.
func versions(t testing.TB, s synckit.EventStore) string {
	t.Helper()
	events, err := s.Load(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	all := make([]string, len(events))
	for i, e := range events {
		all[i] = e.Event.ID() + "=" + e.Version.String()
	}
	return strings.Join(all, " ")
}

func assertVersions(t testing.TB, s synckit.EventStore, want string) {
	t.Helper()
	if got := versions(t, s); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestVersionedLogConforms(t *testing.T) {
	t.Parallel()
	storagetest.RunDurable(t, func(t *testing.T, dir string) synckit.EventStore {
		base, err := sqlite.NewWithDataSource("file:" + filepath.Join(dir, "events.db"))
		if err != nil {
			t.Fatal(err)
		}
		return versioned(t, base, "A")
	})
}

func TestVersionedStoreConforms(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T) synckit.EventStore { return versioned(t, plain{memory.New()}, "A") })
}

func TestAVersionedStoreIsALogIfTheStoreBelowIs(t *testing.T) {
	t.Parallel()
	if _, ok := versioned(t, memory.New(), "A").(synckit.Log); !ok {
		t.Error("over a log it is none")
	}
	if _, ok := versioned(t, plain{memory.New()}, "A").(synckit.Log); ok {
		t.Error("it claims to be a log over a store that is none")
	}
}

// bothKinds runs a test over a log and over a store that is none.
func bothKinds(t *testing.T, test func(t *testing.T, base synckit.EventStore)) {
	t.Parallel()
	t.Run("log", func(t *testing.T) { t.Parallel(); test(t, memory.New()) })
	t.Run("store", func(t *testing.T) { t.Parallel(); test(t, plain{memory.New()}) })
}

func TestEventsGetVersionsByThemselves(t *testing.T) {
	bothKinds(t, func(t *testing.T, base synckit.EventStore) {
		s := versioned(t, base, "A")
		store(t, s, "a1", "a2")
		if err := s.Store(t.Context(), note("b1"), clock(t, `{"B":4}`)); err != nil {
			t.Fatal(err)
		}
		store(t, s, "a3")
		assertVersions(t, s, `a1={"A":1} a2={"A":2} b1={"B":4} a3={"A":3,"B":4}`)
		latest, err := s.LatestVersion(t.Context())
		if err != nil || latest.String() != `{"A":3,"B":4}` {
			t.Errorf("latest version %v, %v", latest, err)
		}
	})
}

func TestCommitMergesRemoteClocksInOrder(t *testing.T) {
	t.Parallel()
	s := versioned(t, memory.New(), "A").(synckit.Log)
	store(t, s, "a1")
	remote := func(id, at string) synckit.Entry {
		return synckit.Entry{EventWithVersion: synckit.EventWithVersion{Event: note(id), Version: clock(t, at)}, Origin: "b"}
	}
	local := func(id string) synckit.Entry {
		return synckit.Entry{EventWithVersion: synckit.EventWithVersion{Event: note(id)}}
	}
	_, err := s.Commit(t.Context(), synckit.Commit{
		Append: []synckit.Entry{local("a2"), remote("b7", `{"B":7}`), local("a3"), remote("a1", `{"Z":9}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	store(t, s, "a4")
	assertVersions(t, s, `a1={"A":1} a2={"A":2} b7={"B":7} a3={"A":3,"B":7} a4={"A":4,"B":7}`)
}

func TestARestartGoesOnFromWhatIsStored(t *testing.T) {
	bothKinds(t, func(t *testing.T, base synckit.EventStore) {
		store(t, versioned(t, base, "A"), "a1", "a2")
		store(t, versioned(t, base, "A"), "a3")
		assertVersions(t, base, `a1={"A":1} a2={"A":2} a3={"A":3}`)
	})
}

// TestARestartOfALongLog passes several checkpoints, and reads little at the end.
func TestARestartOfALongLog(t *testing.T) {
	t.Parallel()
	base := &counting{Log: memory.New()}
	s := versioned(t, base, "A")
	const total = 3500
	for i := range total {
		store(t, s, fmt.Sprint("a", i))
	}
	if err := s.Store(t.Context(), note("b"), clock(t, `{"B":1}`)); err != nil {
		t.Fatal(err)
	}
	base.read = 0
	s = versioned(t, base, "A")
	if base.read == 0 || base.read > 2000 {
		t.Errorf("read %d entries to begin", base.read)
	}
	store(t, s, "last")
	latest, _ := s.LatestVersion(t.Context())
	if want := fmt.Sprintf(`{"A":%d,"B":1}`, total+1); latest.String() != want {
		t.Errorf("latest version %s, want %s", latest, want)
	}
}

type counting struct {
	synckit.Log
	read int
}

func (c *counting) Read(ctx context.Context, after synckit.Position, limit int) ([]synckit.Entry, error) {
	entries, err := c.Log.Read(ctx, after, limit)
	c.read += len(entries)
	return entries, err
}

func TestWhatOthersWriteToTheLogIsLearnt(t *testing.T) {
	t.Parallel()
	base := memory.New()
	s := versioned(t, base, "A")
	store(t, s, "a1")
	if err := base.Store(t.Context(), note("b1"), clock(t, `{"B":1}`)); err != nil {
		t.Fatal(err)
	}
	store(t, s, "a2", "a3")
	assertVersions(t, s, `a1={"A":1} b1={"B":1} a2={"A":2} a3={"A":3,"B":1}`)
}

// TestALogThatCannotBeReadForAMoment has somebody else write, and then fail the
// reading of it: versions go on all the same.
func TestALogThatCannotBeReadForAMoment(t *testing.T) {
	t.Parallel()
	base := &unreadable{Log: memory.New()}
	s := versioned(t, base, "A")
	if err := base.Store(t.Context(), note("b1"), clock(t, `{"B":1}`)); err != nil {
		t.Fatal(err)
	}
	base.err = errors.New(errors.StorageFailed, "read", nil)
	store(t, s, "a1", "a2")
	base.err = nil
	store(t, s, "a3", "a4")
	assertVersions(t, s, `b1={"B":1} a1={"A":1} a2={"A":2} a3={"A":3} a4={"A":4,"B":1}`)
}

type unreadable struct {
	synckit.Log
	err error
}

func (u *unreadable) Read(ctx context.Context, after synckit.Position, limit int) ([]synckit.Entry, error) {
	if u.err != nil {
		return nil, u.err
	}
	return u.Log.Read(ctx, after, limit)
}

func TestConcurrentStoresGetDifferentVersions(t *testing.T) {
	bothKinds(t, func(t *testing.T, base synckit.EventStore) {
		s := versioned(t, base, "A")
		var done sync.WaitGroup
		for w := range 8 {
			done.Go(func() {
				for i := range 20 {
					if err := s.Store(t.Context(), note(fmt.Sprint(w, ".", i)), nil); err != nil {
						t.Error(err)
					}
				}
			})
		}
		done.Wait()
		events, _ := s.Load(t.Context(), nil)
		for i, e := range events { // in the order of the log
			if want := fmt.Sprintf(`{"A":%d}`, i+1); e.Version.String() != want {
				t.Fatalf("event %d has version %s, want %s", i, e.Version, want)
			}
		}
	})
}

func TestTheSameEventAgainTakesNoVersion(t *testing.T) {
	t.Parallel()
	s := versioned(t, memory.New(), "A")
	clocked := synckit.NewEvent("a1", "NoteTaken", "x", "a1", map[string]any{synckit.ClockKey: 9})
	if err := s.Store(t.Context(), clocked, nil); err != nil {
		t.Fatal(err)
	}
	store(t, s, "a1", "a1", "a1", "a2")
	assertVersions(t, s, `a1={"A":1} a2={"A":2}`)
}

func TestVersionsOfOtherKindsAreStoredAsTheyAre(t *testing.T) {
	bothKinds(t, func(t *testing.T, base synckit.EventStore) {
		s := versioned(t, base, "A")
		hlc, _ := version.Parse("12.0@b")
		for id, v := range map[string]synckit.Version{"time": hlc, "position": cursor.IntegerCursor{Seq: 99}} {
			if err := s.Store(t.Context(), note(id), v); err != nil {
				t.Fatal(err)
			}
		}
		store(t, s, "a1")
		if got := versions(t, s); !strings.HasSuffix(got, `a1={"A":1}`) || !strings.Contains(got, "time=12.0@b") {
			t.Errorf("stored %s", got)
		}
		latest, _ := s.LatestVersion(t.Context())
		if after, err := s.Load(t.Context(), latest); err != nil || len(after) > 0 {
			t.Errorf("after the latest version %s come %v, %v", latest, after, err)
		}
	})
}

func TestVersionedStoreWantsAllItsParts(t *testing.T) {
	t.Parallel()
	manager := version.NewVectorClockManager()
	for name, make := range map[string]func() (version.VersionedStore, error){
		"no store":   func() (version.VersionedStore, error) { return version.NewVersionedStore(nil, "A", manager) },
		"no manager": func() (version.VersionedStore, error) { return version.NewVersionedStore(memory.New(), "A", nil) },
		"no node":    func() (version.VersionedStore, error) { return version.NewVersionedStore(memory.New(), "", manager) },
	} {
		if _, err := make(); errors.CodeOf(err) != errors.InvalidOptions {
			t.Errorf("%s: %v", name, err)
		}
	}
	closed := memory.New()
	_ = closed.Close()
	for _, base := range []synckit.EventStore{closed, plain{closed}} {
		if _, err := version.NewVersionedStore(base, "A", manager); errors.CodeOf(err) != errors.Closed {
			t.Errorf("a closed store: %v", err)
		}
	}
}

func TestVersionsAreParsedAsBelow(t *testing.T) {
	t.Parallel()
	own := func(string) (synckit.Version, error) { return cursor.IntegerCursor{Seq: 42}, nil }
	base, err := sqlite.New(&sqlite.Config{DataSourceName: ":memory:", ParseVersion: own})
	if err != nil {
		t.Fatal(err)
	}
	for text, c := range map[string]struct {
		base synckit.EventStore
		want string
	}{
		"own kind":  {base, "42"},
		`{"B":2}`:   {memory.New(), `{"B":2}`},
		`{"B":3}`:   {plain{memory.New()}, `{"B":3}`},
		`{"B":4}  `: {base, `{"B":4}`},
	} {
		if v, err := versioned(t, c.base, "A").ParseVersion(t.Context(), text); err != nil || v.String() != c.want {
			t.Errorf("%q was parsed as %v, %v", text, v, err)
		}
	}
}

func TestNoVersionIsLeft(t *testing.T) {
	bothKinds(t, func(t *testing.T, base synckit.EventStore) {
		if err := base.Store(t.Context(), note("a"), clock(t, `{"A":9007199254740991}`)); err != nil {
			t.Fatal(err)
		}
		s := versioned(t, base, "A")
		if err := s.Store(t.Context(), note("b"), nil); errors.CodeOf(err) != errors.TooLarge {
			t.Errorf("got %v", err)
		}
	})
}

func TestVectorClockManager(t *testing.T) {
	t.Parallel()
	m := version.NewVectorClockManager()
	if !m.CurrentVersion().IsZero() {
		t.Error("a new manager knows something")
	}
	if v := m.NextVersion("A"); v.String() != `{"A":1}` || m.CurrentVersion().Compare(v) != 0 {
		t.Errorf("next version %s", v)
	}
	clone := m.Clone()
	clone.NextVersion("A")
	if err := m.UpdateFromVersion(clock(t, `{"B":2}`)); err != nil {
		t.Fatal(err)
	}
	if m.CurrentVersion().String() != `{"A":1,"B":2}` || clone.CurrentVersion().String() != `{"A":2}` {
		t.Errorf("%s and its clone %s", m.CurrentVersion(), clone.CurrentVersion())
	}
	if err := m.UpdateFromVersion(cursor.IntegerCursor{Seq: 1}); errors.CodeOf(err) != errors.InvalidVersion {
		t.Errorf("took in a position: %v", err)
	}
	if v := m.NextVersion(""); !v.IsZero() {
		t.Errorf("a node without a name got version %s", v)
	}
}

// trusting calls a version's methods without asking whether there is one.
type trusting struct{ plain }

func (s trusting) Load(ctx context.Context, since synckit.Version) ([]synckit.EventWithVersion, error) {
	_ = since.IsZero()
	return s.plain.Load(ctx, since)
}

func TestAStoreIsAskedWithAVersion(t *testing.T) {
	base := memory.New()
	defer base.Close()
	store(t, versioned(t, base, "A"), "a")
	store(t, versioned(t, trusting{plain{base}}, "A"), "b")
	assertVersions(t, base, `a={"A":1} b={"A":2}`)
}

// A node that was reinstalled under its old ID gave versions that are those of
// events it had written before. When it meets these it goes on under another ID.
func TestANodeThatIsInstalledAnewTakesAnotherID(t *testing.T) {
	bothKinds(t, func(t *testing.T, base synckit.EventStore) {
		before, again := versioned(t, memory.New(), "phone"), versioned(t, base, "phone")
		store(t, before, "e1", "e2", "e3")
		store(t, again, "f1")
		assertVersions(t, again, `f1={"phone":1}`)
		events, err := before.Load(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if err := again.Store(t.Context(), e.Event, e.Version); err != nil {
				t.Fatal(err)
			}
		}
		store(t, again, "f2", "f3")
		all, err := again.Load(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		f2, f3 := all[4].Version.(version.VectorClock), all[5].Version.(version.VectorClock)
		nodes := f3.Nodes()
		if f2.Counter("phone") != 3 || f3.Counter("phone") != 3 || len(nodes) != 2 || !strings.HasPrefix(nodes[1], "phone~") ||
			f2.Counter(nodes[1]) != 1 || f3.Counter(nodes[1]) != 2 {
			t.Errorf("%v, %v", f2, f3)
		}
	})
}

func TestTheOtherIDOutlivesARestart(t *testing.T) {
	t.Parallel()
	log := memory.New()
	seen, err := version.NewVectorClock(map[string]uint64{"phone": 7})
	if err != nil {
		t.Fatal(err)
	}
	first := versioned(t, log, "phone")
	if err := first.Store(t.Context(), note("old"), seen); err != nil {
		t.Fatal(err)
	}
	store(t, first, "a")
	again := versioned(t, log, "phone")
	store(t, again, "b")
	all, err := again.Load(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	a, b := all[1].Version.(version.VectorClock), all[2].Version.(version.VectorClock)
	if b.Counter("phone") != 7 || len(b.Nodes()) != 2 || b.Counter(b.Nodes()[1]) != 2 || a.Order(b) != synckit.Before {
		t.Errorf("%v, %v", a, b)
	}
}
