package synckit_test

import (
	"context"
	stderrors "errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/memtransport"
)

// What another manager of the store has seen the peer hold is in no conflict with what was
// written by a node that knew of it.
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

// What another manager of the store has pushed the peer holds, and so does a node that writes
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

// numberedIDs are IDs such as a01, in order.
func numberedIDs(prefix string, from, to int) (ids []string) {
	for i := from; i <= to; i++ {
		ids = append(ids, fmt.Sprintf("%s%02d", prefix, i))
	}
	return ids
}

// One process is in the middle of a push when another finds that the peer has lost its log. What
// has to be pushed again is, though the first goes on and stores how far it has come.
func TestAPushThatGoesOnDoesNotHideALoss(t *testing.T) {
	t.Parallel()
	old, empty := newHub(t), newHub(t)
	lines := [2]*scripted{newScripted(old), newScripted(old)}
	a := nodeOver(t, lines[0], synckit.SyncOptions{BatchSize: 2})
	other := synckit.NewSyncManager(a.store, lines[1], &synckit.SyncOptions{BatchSize: 2})
	t.Cleanup(func() { other.Close() })
	a.write("x", numberedIDs("a", 1, 6)...)
	a.sync()
	a.write("x", numberedIDs("a", 7, 11)...)

	pushing, goOn, ended := make(chan struct{}), make(chan struct{}), make(chan error)
	lines[0].push = func(ctx context.Context, events []synckit.EventWithVersion) error {
		if events[0].Event.ID() == "a07" {
			close(pushing)
			<-goOn
		}
		return lines[0].PagedTransport.Push(ctx, events)
	}
	go func() {
		_, err := a.Push(t.Context())
		ended <- err
	}()
	<-pushing
	replacement := memtransport.New("hub", empty)
	t.Cleanup(func() { replacement.Close() })
	lines[0].PagedTransport, lines[1].PagedTransport = replacement, replacement
	lines[1].push = func(context.Context, []synckit.EventWithVersion) error { return stderrors.New("the line is cut") }
	if _, err := other.Sync(t.Context()); err == nil {
		t.Fatal("a line that is cut carries events")
	}
	close(goOn)
	check(t, "push", <-ended, nil)
	lines[1].push = nil
	if _, err := other.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	at := strings.Fields(logOf(t, empty))
	slices.Sort(at)
	check(t, "at the peer", at, numberedIDs("a", 1, 11))
	r, err := other.Sync(t.Context())
	check(t, "error", err, nil)
	check(t, "pushed afterwards", r.EventsPushed, 0)
}

// The same with a pull from the beginning, which another process asked for.
func TestAPullThatGoesOnDoesNotHideAnother(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	lines := [2]*scripted{newScripted(hub), newScripted(hub)}
	wanted := ""
	filter := func(e synckit.Event) bool { return strings.HasPrefix(e.ID(), wanted) }
	options := synckit.SyncOptions{BatchSize: 2, Filter: filter}
	wanted = "none"
	a := nodeOver(t, lines[0], options)
	other := synckit.NewSyncManager(a.store, lines[1], &options)
	t.Cleanup(func() { other.Close() })
	put := func(ids ...string) {
		for _, id := range ids {
			check(t, "put", hub.Store(t.Context(), newEvent(id, "x"), nil), nil)
		}
	}
	put(numberedIDs("h", 1, 6)...)
	a.sync()
	wanted = "h"
	put("h07")

	pulling, goOn, ended := make(chan struct{}), make(chan struct{}), make(chan error)
	lines[0].pullPage = func(ctx context.Context, since string, limit int) (synckit.Page, error) {
		page, err := lines[0].PagedTransport.PullPage(ctx, since, limit)
		close(pulling)
		<-goOn
		return page, err
	}
	go func() {
		_, err := a.Pull(t.Context())
		ended <- err
	}()
	<-pulling
	pages := 0
	lines[1].pullPage = func(ctx context.Context, since string, limit int) (synckit.Page, error) {
		if pages++; limit > 1 && pages > 2 {
			return synckit.Page{}, stderrors.New("the line is cut")
		}
		return lines[1].PagedTransport.PullPage(ctx, since, limit)
	}
	if _, err := other.PullAgain(t.Context()); err == nil {
		t.Fatal("a line that is cut carries events")
	}
	close(goOn)
	check(t, "pull", <-ended, nil)
	lines[1].pullPage = nil
	if _, err := other.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := strings.Fields(a.log())
	slices.Sort(got)
	check(t, "log", got, numberedIDs("h", 1, 7))
}

// Two processes are told at once that the peer's log was erased. What was written after the first has
// dealt with that is not taken for older by the second.
func TestTwoProcessesLearnOfAnErasure(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	lines := [2]*scripted{newScripted(hub), newScripted(hub)}
	a := nodeOver(t, lines[0], synckit.SyncOptions{})
	other := synckit.NewSyncManager(a.store, lines[1], nil)
	t.Cleanup(func() { other.Close() })
	a.write("x", "a1")
	a.sync()
	a.write("x", "a2")
	erased := func(context.Context, string, int) (synckit.Page, error) {
		return synckit.Page{}, errors.New(errors.Erased, "pull", nil)
	}
	empty := newHub(t)
	lines[1].pullPage = erased
	lines[0].pullPage = func(ctx context.Context, since string, limit int) (synckit.Page, error) {
		lines[0].pullPage = nil
		r, err := other.Sync(ctx)
		checkCode(t, err, errors.Erased)
		check(t, "reviews", r.ReviewsAdded, 1)
		lines[0].overHub(t, empty)
		a.write("x", "a3")
		return erased(ctx, since, limit)
	}
	r, err := a.Sync(t.Context())
	checkCode(t, err, errors.Erased)
	check(t, "erased", r.Erased, true)
	check(t, "reviews", r.ReviewsAdded, 0)
	check(t, "pushed", a.sync().EventsPushed, 1)
	check(t, "at the peer", logOf(t, empty), "a3")
	check(t, "waits", a.stats(), synckit.Stats{Reviews: 1})
}
