package synckit_test

import (
	"context"
	stderrors "errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/resolve"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/memtransport"
)

// total is a snapshot that names what it was made of.
type total struct {
	IDs []string `json:"ids"`
}

func sum(effective []synckit.EventWithVersion) (synckit.Event, error) {
	return synckit.NewEvent("", "Total", "", total{contentOf(effective)}, nil), nil
}

// contentOf are the events that count, those in snapshots included.
func contentOf(effective []synckit.EventWithVersion) (ids []string) {
	for _, e := range effective {
		if e.Event.Metadata()[synckit.SnapshotKey] != true {
			ids = append(ids, e.Event.ID())
			continue
		}
		var t total
		if err := synckit.DecodeData(e.Event, &t); err != nil {
			panic(err)
		}
		ids = append(ids, t.IDs...)
	}
	return ids
}

// content is contentOf what counts at a node.
func (n node) content(aggregate string) string {
	n.t.Helper()
	effective, err := n.Effective(n.t.Context(), aggregate)
	if err != nil {
		n.t.Fatal(err)
	}
	return strings.Join(contentOf(effective), " ")
}

func (n node) compact(aggregate string) synckit.Compacted {
	n.t.Helper()
	done, err := n.Compact(n.t.Context(), aggregate, time.Time{}, sum)
	if err != nil {
		n.t.Fatal(err)
	}
	return done
}

// held are the events of an app that a store has, without what the library keeps for itself.
func held(t *testing.T, store synckit.EventStore) string {
	t.Helper()
	events, err := store.Load(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, e := range events {
		if !strings.HasPrefix(e.Event.Type(), "synckit.") {
			ids = append(ids, e.Event.ID())
		}
	}
	return strings.Join(ids, " ")
}

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func TestASnapshotTakesThePlaceOfEvents(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	asked := &counting{ConflictResolver: resolve.LastWriteWins{}}
	a, b := newNode(t, hub, synckit.SyncOptions{}), newNode(t, hub, synckit.SyncOptions{ConflictResolver: asked})
	a.write("x", "a1", "a2")
	a.write("y", "y1")
	a.sync()
	b.sync()
	b.write("x", "b1")
	b.sync()
	b.write("x", "offline")
	done := a.compact("x")
	if done.Covered != 3 || done.Snapshot.Event == nil || done.Snapshot.Event.Type() != "Total" || done.Snapshot.Event.AggregateID() != "x" {
		t.Fatalf("%+v", done)
	}
	expect(t, "counts", a.counts("x"), done.Snapshot.Event.ID())
	expect(t, "content", a.content("x"), "a1 a2 b1")
	expect(t, "another aggregate", a.content("y"), "y1")
	expect(t, "held here", held(t, a.store), "y1")
	expect(t, "held by the peer", held(t, hub), "y1")

	b.sync()
	expect(t, "held there", held(t, b.store), "y1 offline")
	expect(t, "there", b.content("x"), "a1 a2 b1 offline")
	if len(asked.asked) > 0 {
		t.Error("an edit was in conflict with a snapshot")
	}
	a.sync()
	a.write("x", "a3")
	a.sync()
	b.sync()
	for _, n := range []node{a, b, newNode(t, hub, synckit.SyncOptions{})} {
		n.sync()
		expect(t, "afterwards", n.content("x"), "a1 a2 b1 offline a3")
	}

	first := done.Snapshot.Event.ID()
	if done = b.compact("x"); done.Covered != 4 || done.Snapshot.Event.ID() == first {
		t.Errorf("again: %+v", done) // two events, the first snapshot and what had it count
	}
	if done = b.compact("x"); done.Covered != 0 || done.Snapshot.Event == nil {
		t.Errorf("with nothing new: %+v", done)
	}
	a.sync()
	expect(t, "after the second", a.content("x"), "a1 a2 b1 offline a3")
	expect(t, "held after the second", held(t, a.store), "y1")
	if entries, err := a.store.Aggregate(t.Context(), "x"); err != nil || len(entries) != 3 { // coverage, snapshot, commitment
		t.Errorf("%d entries, %v", len(entries), err)
	}
}

// What the peer does not hold is in no snapshot.
func TestWhatThePeerRefusesIsNotCompacted(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	a := nodeOver(t, refusingOne{memtransport.New("hub", hub)}, synckit.SyncOptions{})
	a.write("x", "a1", "refused", "a2")
	if done := a.compact("x"); done.Covered != 2 {
		t.Errorf("%+v", done)
	}
	expect(t, "here", a.content("x"), "a1 a2 refused")
	b := newNode(t, hub, synckit.SyncOptions{})
	b.sync()
	expect(t, "there", b.content("x"), "a1 a2")
	reviews, err := a.Reviews(t.Context(), "", 10)
	if err != nil || len(reviews) != 1 {
		t.Errorf("%v, %v", reviews, err)
	}
}

type refusingOne struct{ synckit.PagedTransport }

func (r refusingOne) Push(ctx context.Context, events []synckit.EventWithVersion) error {
	outcome := &synckit.PushError{Refused: map[string]error{}}
	for _, e := range events {
		if e.Event.ID() == "refused" {
			outcome.Refused["refused"] = errKilled
			continue
		}
		if err := r.PagedTransport.Push(ctx, []synckit.EventWithVersion{e}); err != nil {
			return err
		}
		outcome.Stored = append(outcome.Stored, e.Event.ID())
	}
	if len(outcome.Refused) == 0 {
		return nil
	}
	return outcome
}

// Thousands of events are covered in parts, and the parts of earlier snapshots go.
func TestManyEventsAreCompacted(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	a := newNode(t, hub, synckit.SyncOptions{BatchSize: 1000})
	count := func(effective []synckit.EventWithVersion) (synckit.Event, error) {
		n := 0
		for _, e := range effective {
			var before int
			if e.Event.Type() == "Count" && synckit.DecodeData(e.Event, &before) == nil {
				n += before
				continue
			}
			n++
		}
		return synckit.NewEvent("", "Count", "x", n, nil), nil
	}
	written := 0
	for round := range 6 {
		n := 3000
		if round > 0 {
			n = 10
		}
		var fresh []synckit.Entry
		for range n {
			written++
			e := newEvent(fmt.Sprintf("event-number-%030d", written), "x")
			fresh = append(fresh, synckit.Entry{EventWithVersion: synckit.EventWithVersion{Event: e}})
		}
		if _, err := a.store.Commit(t.Context(), synckit.Commit{Append: fresh}); err != nil {
			t.Fatal(err)
		}
		done, err := a.Compact(t.Context(), "x", time.Time{}, count)
		if err != nil {
			t.Fatal(err)
		}
		var counted int
		if err := synckit.DecodeData(done.Snapshot.Event, &counted); err != nil || counted != written {
			t.Fatalf("round %d: %d of %d counted, %v", round, counted, written, err)
		}
		expect(t, "counts", a.counts("x"), done.Snapshot.Event.ID())
	}
	entries, err := a.store.Aggregate(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) > 20 {
		t.Errorf("%d entries", len(entries))
	}
	for _, e := range entries {
		encoded, err := synckit.Encode(e.Event)
		if err != nil || len(encoded.Data) > 32<<10 {
			t.Errorf("%s has %d bytes, %v", e.Event.Type(), len(encoded.Data), err)
		}
	}
}

// What was deleted at the peer before is not deleted again, unless a process was killed on the way.
func TestEachEventIsDeletedAtThePeerOnce(t *testing.T) {
	t.Parallel()
	transport := &deleting{PagedTransport: memtransport.New("hub", newHub(t))}
	a := nodeOver(t, transport, synckit.SyncOptions{})
	for i := range 100 {
		a.write("x", fmt.Sprint("a", i))
	}
	a.compact("x")
	if len(transport.deleted) != 100 {
		t.Errorf("%d are deleted of 100", len(transport.deleted))
	}
	a.compact("x")
	a.write("x", "b")
	a.compact("x")
	if n := len(transport.deleted); n > 110 || !slices.Contains(transport.deleted, "b") {
		t.Errorf("%d are deleted in the end", n)
	}
	a.write("x", "c")
	transport.fails = true
	if _, err := a.Compact(t.Context(), "x", time.Time{}, sum); err == nil {
		t.Fatal("it did not fail")
	}
	transport.fails = false
	a.write("x", "d")
	transport.deleted = nil
	a.compact("x")
	if !slices.Contains(transport.deleted, "c") || !slices.Contains(transport.deleted, "d") {
		t.Errorf("deleted after a failure: %v", transport.deleted)
	}
}

// deleting is a transport that notes what it is to delete.
type deleting struct {
	synckit.PagedTransport
	deleted []string
	fails   bool
}

func (d *deleting) Drop(_ context.Context, ids []string) error {
	if d.fails {
		return errKilled
	}
	d.deleted = append(d.deleted, ids...)
	return nil
}

func TestWhatCannotBeCompacted(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	a := newNode(t, hub, synckit.SyncOptions{MaxEventBytes: 5000})
	a.write("x", "a1")
	failed := stderrors.New("the app failed")
	for name, test := range map[string]struct {
		snapshot synckit.SnapshotFunc
		code     errors.Code
	}{
		"an error": {func([]synckit.EventWithVersion) (synckit.Event, error) { return nil, failed }, errors.InvalidEvent},
		"no event": {func([]synckit.EventWithVersion) (synckit.Event, error) { return nil, nil }, errors.InvalidEvent},
		"a panic":  {func([]synckit.EventWithVersion) (synckit.Event, error) { panic("no") }, errors.InvalidEvent},
		"what no JSON": {func([]synckit.EventWithVersion) (synckit.Event, error) {
			return synckit.NewEvent("", "T", "x", func() {}, nil), nil
		}, errors.InvalidEvent},
		"reserved": {func([]synckit.EventWithVersion) (synckit.Event, error) {
			return synckit.NewEvent("", synckit.SealedType, "x", 1, nil), nil
		}, errors.InvalidEvent},
		"too large": {func([]synckit.EventWithVersion) (synckit.Event, error) {
			return synckit.NewEvent("", "T", "x", strings.Repeat("x", 5000), nil), nil
		}, errors.TooLarge},
	} {
		_, err := a.Compact(t.Context(), "x", time.Time{}, test.snapshot)
		if errors.CodeOf(err) != test.code || name == "an error" && !stderrors.Is(err, failed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	expect(t, "counts", a.counts("x"), "a1")
	for name, options := range map[string]synckit.SyncOptions{
		"push only": {PushOnly: true}, "pull only": {PullOnly: true}, "filter": {Filter: func(synckit.Event) bool { return true }},
	} {
		if _, err := newNode(t, hub, options).Compact(t.Context(), "x", time.Time{}, sum); errors.CodeOf(err) != errors.InvalidOptions {
			t.Errorf("%s: %v", name, err)
		}
	}
	review := func(context.Context, []synckit.EventWithVersion, []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
		return nil, synckit.ErrReview
	}
	b := newNode(t, hub, synckit.SyncOptions{ConflictResolver: resolve.Func(review)})
	b.write("x", "b1")
	if _, err := b.Compact(t.Context(), "x", time.Time{}, sum); errors.CodeOf(err) != errors.ConflictFailed {
		t.Errorf("while a conflict waits: %v", err)
	}
}

// What counts, and in which order, is the same whether what was compacted is still there, in part, or not.
func TestDroppingChangesNothing(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 2))
		hub := newHub(t)
		kept := keeping{memory.New()} // never drops
		resolvers := []synckit.ConflictResolver{resolve.LastWriteWins{}, resolve.FirstWriteWins{}, resolve.ThreeWayMerge{}, resolve.AdditiveMerge{}}
		var nodes []node
		for range 3 {
			nodes = append(nodes, newNode(t, hub, synckit.SyncOptions{BatchSize: 1 + random.IntN(4), ConflictResolver: resolvers[random.IntN(4)]}))
		}
		transport := memtransport.New("hub", hub)
		witness := synckit.NewSyncManager(kept, transport, nil)
		for i := range 60 {
			n := nodes[random.IntN(len(nodes))]
			switch r := random.IntN(10); {
			case r < 5:
				n.write("x", fmt.Sprint("e", i))
			case r < 9:
				_, _ = n.Sync(t.Context())
			default:
				n.compact("x")
			}
			if _, err := witness.Pull(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for range 4 {
			for _, n := range nodes {
				n.sync()
			}
		}
		if _, err := witness.Pull(t.Context()); err != nil {
			t.Fatal(err)
		}
		all, err := kept.LoadByAggregate(t.Context(), "x", nil)
		if err != nil {
			t.Fatal(err)
		}
		want := idsOf(synckit.Effective(all))
		for _, n := range nodes {
			expect(t, fmt.Sprint("seed ", seed), n.counts("x"), want)
		}
		witness.Close()
		transport.Close()
	}
}

// keeping is a log that cannot drop.
type keeping struct{ memoryLog }
