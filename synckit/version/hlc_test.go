package version_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"syncline/synckit"
	"syncline/synckit/cursor"
	"syncline/synckit/errors"
	"syncline/synckit/storage/memory"
	"syncline/synckit/storage/storagetest"
	"syncline/synckit/version"
)

// wall is a clock that is set by hand.
type wall struct{ now time.Time }

func (w *wall) manager() version.VersionManager {
	return version.NewHLCManager(version.HLCOptions{Now: func() time.Time { return w.now }})
}

func at(micros int64) *wall { return &wall{time.UnixMicro(micros)} }

func next(m version.VersionManager, node string) string { return m.NextVersion(node).String() }

func TestHybridTimesFollowTheWallClock(t *testing.T) {
	t.Parallel()
	w := at(100)
	m := w.manager()
	got := []string{next(m, "a"), next(m, "a")}
	w.now = time.UnixMicro(101)
	got = append(got, next(m, "a"))
	w.now = time.UnixMicro(50) // the clock was set back
	got = append(got, next(m, "a"), next(m, "b"))
	want := "100.0@a 100.1@a 101.0@a 101.1@a 101.2@b"
	if text := strings.Join(got, " "); text != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
}

func TestHybridTimesAreAboveAllThatIsKnown(t *testing.T) {
	t.Parallel()
	m := at(100).manager()
	for _, text := range []string{"300.5@b", "200.9@c"} {
		v, _ := version.Parse(text)
		if err := m.UpdateFromVersion(v); err != nil {
			t.Fatal(err)
		}
	}
	if m.CurrentVersion().String() != "300.5@b" {
		t.Errorf("knows %s", m.CurrentVersion())
	}
	clone := m.Clone()
	if got := next(m, "a"); got != "300.6@a" {
		t.Errorf("next is %s", got)
	}
	if got := next(clone, "c"); got != "300.6@c" {
		t.Errorf("the clone's next is %s", got)
	}
	full := version.HLC{WallMicros: 400, Counter: math.MaxUint32, Node: "b"}
	if err := m.UpdateFromVersion(full); err != nil {
		t.Fatal(err)
	}
	if got := next(m, "a"); got != "401.0@a" {
		t.Errorf("after the last counter comes %s", got)
	}
}

func TestHybridTimesDoNotDriftFar(t *testing.T) {
	t.Parallel()
	w := at(0)
	m := w.manager()
	near, far := version.HLC{WallMicros: time.Minute.Microseconds(), Node: "b"}, version.HLC{WallMicros: time.Minute.Microseconds() + 1, Node: "b"}
	if err := m.UpdateFromVersion(far); errors.CodeOf(err) != errors.TooLarge {
		t.Errorf("followed a clock that is far ahead: %v", err)
	}
	if err := m.UpdateFromVersion(near); err != nil {
		t.Error(err)
	}
	w.now = time.UnixMicro(-time.Hour.Microseconds()) // what is known already is no news
	if err := m.UpdateFromVersion(near); err != nil {
		t.Error(err)
	}
	if err := m.UpdateFromVersion(cursor.IntegerCursor{Seq: 1}); errors.CodeOf(err) != errors.InvalidVersion {
		t.Errorf("took in a position: %v", err)
	}
	byDefault := version.NewHLCManager(version.HLCOptions{})
	if v := byDefault.NextVersion("a").(version.HLC); time.Since(v.Time()).Abs() > time.Minute {
		t.Errorf("by the real clock it is %s", v.Time())
	}
}

func TestHybridTimesHaveATotalOrder(t *testing.T) {
	t.Parallel()
	sorted := []version.HLC{{}, {Node: "a"}, {Counter: 1}, {WallMicros: 1}, {WallMicros: 1, Node: "a"}, {WallMicros: 1, Node: "b"}, {WallMicros: 1, Counter: 1}}
	for i, a := range sorted {
		for j, b := range sorted {
			if got := a.Compare(b); (got < 0) != (i < j) || (got == 0) != (i == j) {
				t.Errorf("%s to %s: %d", a, b, got)
			}
		}
	}
	if !sorted[0].IsZero() || sorted[3].IsZero() || sorted[3].Compare(cursor.IntegerCursor{Seq: 9}) != 1 {
		t.Error("zero, or other kinds")
	}
	if _, ok := synckit.Version(sorted[3]).(synckit.CausalVersion); ok {
		t.Error("a time cannot tell concurrent from ordered")
	}
}

func TestVersionedStoreWithHybridTimes(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T) synckit.EventStore {
		s, err := version.NewVersionedStore(memory.New(), "a", version.NewHLCManager(version.HLCOptions{}))
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

func TestARestartGoesOnAboveStoredTimes(t *testing.T) {
	t.Parallel()
	base := memory.New()
	hours := 5 * time.Hour.Microseconds()
	for _, micros := range []int64{hours, 10} { // the second start has a clock that is far behind
		s, err := version.NewVersionedStore(base, "a", at(micros).manager())
		if err != nil {
			t.Fatal(err)
		}
		store(t, s, "at"+time.UnixMicro(micros).UTC().Format("15:04:05"))
	}
	assertVersions(t, base, "at05:00:00=18000000000.0@a at00:00:00=18000000000.1@a")
}
