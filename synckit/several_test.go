package synckit_test

import (
	"context"
	"sync/atomic"
	"testing"

	"syncline/synckit"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/memtransport"
)

// What another manager of the store has seen the peer hold is in no conflict with what was
// written by whoever knew of it.
func TestWhatAnotherManagerSawConfirmed(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	a, b := newNode(t, hub, synckit.SyncOptions{}), newNode(t, hub, synckit.SyncOptions{ConflictResolver: highest})
	other := b.another(hub, highest)
	a.write("x", "a1")
	a.sync()
	b.write("x", "b1")
	check(t, "conflicts", b.sync().ConflictsResolved, 1)
	other.sync()
	a.sync()
	a.write("x", "a2")
	a.sync()
	check(t, "conflicts of what was known", b.sync().ConflictsResolved, 0)
	check(t, "b", b.counts("x"), "b1 a2")
}

// What another manager of the store has pushed the peer holds, and so does whoever writes
// after it.
func TestWhatAnotherManagerPushed(t *testing.T) {
	t.Parallel()
	hub, elsewhere := newHub(t), newHub(t)
	a, b := newNode(t, hub, synckit.SyncOptions{}), newNode(t, hub, synckit.SyncOptions{ConflictResolver: highest})
	writer := newNode(t, elsewhere, synckit.SyncOptions{})
	writer.write("x", "f")
	writer.sync()
	from := synckit.NewSyncManager(b.store, memtransport.New("elsewhere", elsewhere), nil)
	t.Cleanup(func() { from.Close() })
	a.write("y", "other")
	a.sync()
	if _, err := from.Pull(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Pull(t.Context()); err != nil { // from here on it watches f
		t.Fatal(err)
	}
	other := b.another(hub, highest)
	other.sync() // pushes f
	other.sync() // and sees it come back
	a.sync()
	a.write("x", "a1")
	a.sync()
	r, err := b.Pull(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	check(t, "conflicts of what was known", r.ConflictsResolved, 0)
	check(t, "b", b.counts("x"), "f a1")
}

// listing counts how often somebody goes through the reviews.
type listing struct {
	synckit.Log
	synckit.ReviewMarker
	listed *atomic.Int64
}

func (l listing) Reviews(ctx context.Context, after string, limit int) ([]synckit.Review, error) {
	l.listed.Add(1)
	return l.Log.Reviews(ctx, after, limit)
}

// A pull goes through the reviews when there are others than before, and only then.
func TestReviewsAreGoneThroughOnce(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	a := newNode(t, hub, synckit.SyncOptions{})
	kept := memory.New()
	store := listing{kept, kept, &atomic.Int64{}}
	manager := func() node {
		m := synckit.NewSyncManager(store, memtransport.New("hub", hub), &synckit.SyncOptions{ConflictResolver: toPerson})
		t.Cleanup(func() { m.Close() })
		return node{m, kept, t}
	}
	b, other := manager(), manager()
	a.write("x", "a1")
	a.sync()
	b.write("x", "b1")
	for range 3 { // the second brings the echo of b1, which is looked at beside the review
		b.sync()
	}
	before := store.listed.Load()
	for range 5 {
		b.sync()
	}
	check(t, "listed without a change", store.listed.Load()-before, 0)
	review := b.onlyReview()
	if err := other.Decide(t.Context(), review.ID, review.Remote); err != nil {
		t.Fatal(err)
	}
	a.write("x", "a2")
	a.sync()
	b.sync()
	check(t, "b takes what no longer waits", b.counts("x"), "a1 a2")
}
