package convergence

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/resolve"
	"syncline/synckit/storage/memory"
)

// device is a node in memory whose calls must succeed.
type device struct {
	*synckit.Manager
	t     *testing.T
	store *memory.Store
}

func newDevice(t *testing.T, h hub, options synckit.SyncOptions) device {
	t.Helper()
	store, transport := memory.New(), h.connect()
	m := synckit.NewSyncManager(store, transport, &options)
	t.Cleanup(func() { m.Close(); transport.Close(); store.Close() })
	return device{m, t, store}
}

func (d device) write(id string, data any) {
	d.t.Helper()
	if err := d.store.Store(d.t.Context(), synckit.NewEvent(id, "Changed", "x", data, nil), nil); err != nil {
		d.t.Fatal(err)
	}
}

func (d device) sync() *synckit.SyncResult {
	d.t.Helper()
	r, err := d.Sync(d.t.Context())
	if err != nil || len(r.Errors) > 0 {
		d.t.Fatalf("sync: %v, %v", err, r.Errors)
	}
	return r
}

func (d device) counts() (ids []string) {
	d.t.Helper()
	events, err := d.Effective(d.t.Context(), "x")
	if err != nil {
		d.t.Fatal(err)
	}
	for _, e := range events {
		ids = append(ids, e.Event.ID())
	}
	return ids
}

// mustAgree syncs two devices until nothing moves, and compares what counts.
func mustAgree(t *testing.T, a, b device) []string {
	t.Helper()
	for range 3 {
		a.sync()
		b.sync()
	}
	mine, theirs := a.counts(), b.counts()
	if !slices.Equal(mine, theirs) {
		t.Fatalf("%d and %d events count: %.200v and %.200v", len(mine), len(theirs), mine, theirs)
	}
	for _, d := range []device{a, b} {
		if reviews, err := d.Reviews(t.Context(), "", 10); err != nil || len(reviews) > 0 {
			t.Fatalf("reviews: %v, %v", reviews, err)
		}
	}
	return mine
}

// A decision about many events is larger than a record of the server.
func TestDecisionsAboutManyEventsReachEverybody(t *testing.T) {
	t.Parallel()
	for _, kind := range []struct {
		name     string
		resolver synckit.ConflictResolver
		want     int
	}{
		{"all superseded", resolve.Func(keepRemote), 1},
		{"many kept, one superseded", resolve.FirstWriteWins{}, 2000},
		{"many kept in an order of their own", resolve.Func(localFirst), 2001},
		{"one made for all", resolve.ThreeWayMerge{}, 1},
	} {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			h := newSynclineHub(t)
			options := synckit.SyncOptions{ConflictResolver: kind.resolver, BatchSize: 1000}
			a, b := newDevice(t, h, options), newDevice(t, h, options)
			at := func(i int) any { return map[string]any{"title": i} }
			for i := range 2000 {
				a.write(fmt.Sprintf("an-edit-made-offline-on-a-phone-%d", i), at(i))
			}
			b.write("edit", at(-1))
			b.sync()
			counts := mustAgree(t, a, b)
			if len(counts) != kind.want {
				t.Errorf("%d events count, want %d", len(counts), kind.want)
			}
			if old := asOldReleasesSee(t, a); !maps.Equal(setOf(old), setOf(counts)) {
				t.Errorf("to an old release %d events count, not %d", len(old), len(counts))
			}
		})
	}
}

// asOldReleasesSee gives what counts to releases that do not know of resolutions in
// parts: each part is a resolution of its own to them.
func asOldReleasesSee(t *testing.T, d device) (ids []string) {
	t.Helper()
	events, err := d.store.Load(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range events {
		r, ok := synckit.ReadResolution(e.Event)
		if !ok {
			continue
		}
		r.Group, r.Part, r.Parts = "", 0, 0
		events[i].Event = synckit.NewEvent(e.Event.ID(), e.Event.Type(), e.Event.AggregateID(), r, e.Event.Metadata())
	}
	for _, e := range synckit.Effective(events) {
		ids = append(ids, e.Event.ID())
	}
	return ids
}

func setOf(ids []string) map[string]bool {
	set := map[string]bool{}
	for _, id := range ids {
		set[id] = true
	}
	return set
}

// Two edits that fit make a merge that would not, as one event.
func TestMergesOfLargeEditsReachEverybody(t *testing.T) {
	t.Parallel()
	text := func(letter string) string { return strings.Repeat(letter, 40_000) }
	for name, sides := range map[string][2]map[string]any{
		"fields":         {{"title": "a", "summary": text("a")}, {"title": "b", "body": text("b")}},
		"fields inside":  {{"note": map[string]any{"title": "a", "summary": text("a")}}, {"note": map[string]any{"title": "b", "body": text("b")}}},
		"at the limit":   {{"body": strings.Repeat("a", 65_000)}, {"body": strings.Repeat("b", 65_000)}},
		"lists of words": {{"words": []string{text("a")}, "title": "a"}, {"words": []string{text("b")}, "title": "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newSynclineHub(t)
			options := synckit.SyncOptions{ConflictResolver: resolve.ThreeWayMerge{}}
			a, b := newDevice(t, h, options), newDevice(t, h, options)
			a.write("a", sides[0])
			b.write("b", sides[1])
			mustAgree(t, a, b)
		})
	}
}

// What no peer takes does not take effect: it is left to a person, and refused
// from that one, too.
func TestADecisionThatThePeerDoesNotTakeIsLeftToAPerson(t *testing.T) {
	t.Parallel()
	h := newSynclineHub(t)
	large := synckit.EventWithVersion{Event: synckit.NewEvent("large", "Changed", "x", strings.Repeat("x", 80_000), nil)}
	options := synckit.SyncOptions{ConflictResolver: resolve.Func(
		func(context.Context, []synckit.EventWithVersion, []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
			return []synckit.EventWithVersion{large}, nil
		})}
	a, b := newDevice(t, h, options), newDevice(t, h, options)
	a.write("a", 1)
	b.write("b", 2)
	a.sync()
	if r := b.sync(); r.ReviewsAdded != 1 || r.ConflictsResolved != 0 {
		t.Fatalf("%+v", r)
	}
	reviews, err := b.Reviews(t.Context(), "", 10)
	if err != nil || len(reviews) != 1 || !strings.Contains(reviews[0].Reason, string(errors.TooLarge)) {
		t.Fatalf("reviews: %v, %v", reviews, err)
	}
	if got := b.counts(); !slices.Equal(got, []string{"b"}) {
		t.Errorf("counts: %v", got)
	}
	err = b.Decide(t.Context(), reviews[0].ID, []synckit.EventWithVersion{large})
	if errors.CodeOf(err) != errors.TooLarge {
		t.Errorf("decide: %v", err)
	}
	if err := b.Decide(t.Context(), reviews[0].ID, reviews[0].Remote); err != nil {
		t.Fatal(err)
	}
	if got := mustAgree(t, a, b); !slices.Equal(got, []string{"a"}) {
		t.Errorf("counts: %v", got)
	}
}
