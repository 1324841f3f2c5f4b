package synckit_test

import (
	"slices"
	"strings"
	"testing"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/resolve"
)

func TestNewEventsAreLeftOut(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	a := newNode(t, hub, synckit.SyncOptions{})
	a.write("x", "a1", "a2")
	entries, err := a.store.Aggregate(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	done, err := a.Compact(t.Context(), "x", synckit.TimeOf(entries[1].Event), sum)
	if err != nil || done.Covered != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	expect(t, "held", held(t, a.store), "a2")
	expect(t, "content", a.content("x"), "a1 a2")
	if done, err = a.Compact(t.Context(), "x", synckit.TimeOf(entries[0].Event), sum); err != nil || done.Covered != 0 {
		t.Errorf("%+v, %v", done, err)
	}
}

// decidedForTheFirst are two nodes whose conflict, of a1 and b1, the second has decided.
func decidedForTheFirst(t *testing.T) (a, b node) {
	t.Helper()
	hub := newHub(t)
	options := synckit.SyncOptions{ConflictResolver: resolve.FirstWriteWins{}}
	a, b = newNode(t, hub, options), newNode(t, hub, options)
	a.write("x", "a1")
	b.write("x", "b1")
	a.sync()
	b.sync()
	return a, b
}

// What a resolution decided stays decided, and resolutions about what is gone go as well.
func TestDecisionsAreCompacted(t *testing.T) {
	t.Parallel()
	a, b := decidedForTheFirst(t)
	decisions, err := b.Decisions(t.Context(), "x", 0, 10)
	if err != nil || len(decisions) != 1 {
		t.Fatalf("%v, %v", decisions, err)
	}
	before := b.content("x")
	if done := a.compact("x"); done.Covered != 3 {
		t.Errorf("%+v", done)
	}
	b.sync()
	for _, n := range []node{a, b} {
		expect(t, "content", n.content("x"), before)
		expect(t, "held", held(t, n.store), "")
		if len(resolutionsIn(t, n.store)) > 0 {
			t.Error("there still is a resolution")
		}
	}
	if err := b.RollBack(t.Context(), decisions[0], decisions[0].Superseded); errors.CodeOf(err) != errors.NotFound {
		t.Errorf("roll back: %v", err)
	}
	if listed, err := b.Decisions(t.Context(), "x", 0, 10); err != nil || len(listed) > 0 {
		t.Errorf("listed: %v, %v", listed, err)
	}
}

// A decision stays while something of what it is about does.
func TestADecisionAboutWhatIsLeftOut(t *testing.T) {
	t.Parallel()
	a, b := decidedForTheFirst(t)
	entries, err := b.store.Aggregate(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	lost := slices.IndexFunc(entries, func(e synckit.Entry) bool { return e.Event.ID() == "b1" })
	done, err := a.Compact(t.Context(), "x", synckit.TimeOf(entries[lost].Event), sum)
	if err != nil || done.Covered != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	b.sync()
	for _, n := range []node{a, b} {
		expect(t, "content", n.content("x"), "a1")
		expect(t, "held", held(t, n.store), "b1")
	}
	a.compact("x")
	b.sync()
	for _, n := range []node{a, b} {
		expect(t, "content", n.content("x"), "a1")
	}
}

// A decision about an event that was compacted meanwhile, and one that is new, holds.
func TestADecisionAboutWhatWasCompacted(t *testing.T) {
	t.Parallel()
	for name, resolver := range map[string]synckit.ConflictResolver{
		"the compacted one wins": resolve.FirstWriteWins{}, "the new one wins": resolve.LastWriteWins{},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hub := newHub(t)
			a, b := newNode(t, hub, synckit.SyncOptions{}), newNode(t, hub, synckit.SyncOptions{ConflictResolver: resolver})
			a.write("x", "a1")
			a.sync()
			b.write("x", "b1")
			if _, err := b.Pull(t.Context()); err != nil { // b decides, and is offline from then on
				t.Fatal(err)
			}
			a.compact("x")
			b.sync()
			a.sync()
			want := "a1"
			if strings.HasPrefix(name, "the new") {
				want = "a1 b1" // the snapshot has a1, and b1 counts after it
			}
			for _, n := range []node{a, b} {
				expect(t, "content", n.content("x"), want)
			}
		})
	}
}

// A conflict that waits for a person is decided as ever, though all of it was compacted meanwhile.
func TestAConflictThatWaitsIsCompacted(t *testing.T) {
	t.Parallel()
	for name, keep := range map[string]func(synckit.Review) []synckit.EventWithVersion{
		"for what counts": func(r synckit.Review) []synckit.EventWithVersion {
			return synckit.Effective(slices.Concat(r.Local, r.Remote))
		},
		"for one side": func(r synckit.Review) []synckit.EventWithVersion { return r.Local },
		"for neither":  func(synckit.Review) []synckit.EventWithVersion { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hub := newHub(t)
			a, b := newNode(t, hub, synckit.SyncOptions{}), newNode(t, hub, synckit.SyncOptions{ConflictResolver: resolve.Review{}})
			a.write("x", "a1")
			b.write("x", "b1")
			a.sync()
			b.sync()
			a.compact("x")
			a.write("x", "a2")
			a.sync()
			b.sync()
			r := b.onlyReview()
			if err := b.Decide(t.Context(), r.ID, keep(r)); err != nil {
				t.Fatal(err)
			}
			b.sync()
			a.sync()
			want := map[string]string{"for what counts": "a1 b1 a2", "for one side": "a1 b1", "for neither": "a1 b1"}[name]
			for _, n := range []node{a, b} { // what was compacted is decided, what came since is not
				expect(t, "content", n.content("x"), want)
			}
		})
	}
}
