package synckit_test

import (
	"testing"

	"syncline/synckit"
	"syncline/synckit/errors"
)

func TestAConflictWaitsForAPersonWhileOtherAggregatesSync(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	a, b := newNode(t, hub, synckit.SyncOptions{}), newNode(t, hub, synckit.SyncOptions{ConflictResolver: toPerson})
	a.write("x", "a")
	a.write("y", "a2")
	a.sync()
	b.write("x", "b")
	r := b.sync()
	check(t, "reviews added", r.ReviewsAdded, 1)
	check(t, "resolved", r.ConflictsResolved, 0)
	check(t, "log", b.log(), "b a2")
	check(t, "hub", logOf(t, hub), "a a2 b")
	review := b.onlyReview()
	check(t, "local", idsOf(review.Local), "b")
	check(t, "remote", idsOf(review.Remote), "a")
	check(t, "aggregate", review.AggregateID, "x")

	if err := b.Decide(t.Context(), review.ID, review.Remote); err != nil {
		t.Fatal(err)
	}
	check(t, "counts", b.counts("x"), "a")
	b.sync()
	a.sync()
	check(t, "a", a.counts("x"), "a")
	reviews, err := b.Reviews(t.Context(), "", 10)
	check(t, "reviews left", len(reviews), 0)
	check(t, "error", err, nil)
}

// What comes for an aggregate that waits may build on what waits: it waits too.
// A person who decides must have seen it, so the review's ID changes.
func TestLaterEventsJoinAReview(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	a, b := newNode(t, hub, synckit.SyncOptions{}), newNode(t, hub, synckit.SyncOptions{ConflictResolver: toPerson})
	a.write("x", "a1")
	a.sync()
	b.write("x", "b1")
	b.sync()
	first := b.onlyReview()
	a.write("x", "a2", "a3")
	a.sync()
	b.sync()
	b.sync() // brings its own echo; nothing joins
	second := b.onlyReview()
	check(t, "remote", idsOf(second.Remote), "a1 a2 a3")
	checkCode(t, b.Decide(t.Context(), first.ID, first.Local), errors.NotFound)
	b.write("x", "b2") // since the review
	merged := synckit.EventWithVersion{Event: newEvent("merged", "x")}
	if err := b.Decide(t.Context(), second.ID, []synckit.EventWithVersion{merged}); err != nil {
		t.Fatal(err)
	}
	b.sync()
	a.sync()
	check(t, "b", b.counts("x"), "b2 merged")
	check(t, "a", a.counts("x"), "b2 merged")
	check(t, "a's log", a.log(), "a1 a2 a3 b1 b2 merged")
}

func TestDecisionsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	a, b := newNode(t, hub, synckit.SyncOptions{}), newNode(t, hub, synckit.SyncOptions{ConflictResolver: toPerson})
	a.write("x", "a")
	a.sync()
	b.write("x", "b")
	b.sync()
	review := b.onlyReview()
	checkCode(t, b.Decide(t.Context(), "none", nil), errors.NotFound)
	checkCode(t, b.Decide(t.Context(), review.ID, []synckit.EventWithVersion{{}}), errors.InvalidEvent)
	elsewhere := synckit.EventWithVersion{Event: newEvent("new", "y")}
	checkCode(t, b.Decide(t.Context(), review.ID, []synckit.EventWithVersion{elsewhere}), errors.ConflictFailed)
	check(t, "still waits", b.onlyReview().ID, review.ID)
	if err := b.Decide(t.Context(), review.ID, append(review.Local, review.Remote...)); err != nil {
		t.Fatal(err)
	}
	check(t, "both count", b.counts("x"), "b a")
}

// A page that comes again while its events wait does not add them twice.
func TestAParkedPageThatComesAgain(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	transport := newScripted(hub)
	a, b := newNode(t, hub, synckit.SyncOptions{}), nodeOver(t, transport, synckit.SyncOptions{ConflictResolver: toPerson})
	a.write("x", "a")
	a.sync()
	b.write("x", "b")
	b.sync()
	before := b.onlyReview()
	if _, err := b.store.Commit(t.Context(), synckit.Commit{
		Cursors: []synckit.Cursor{{Peer: "default", Direction: synckit.Pulling, Value: ""}},
	}); err != nil {
		t.Fatal(err)
	}
	b.sync()
	check(t, "review", b.onlyReview().ID, before.ID)
	check(t, "log", b.log(), "b")
}

// Managers of one store see one another's reviews: what comes joins the review that
// another one added, and goes its way once that one was ended.
func TestReviewsOfAnotherManager(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	a, b := newNode(t, hub, synckit.SyncOptions{}), newNode(t, hub, synckit.SyncOptions{ConflictResolver: toPerson})
	other := b.another(hub, toPerson)
	a.write("y", "before")
	a.sync()
	b.sync()
	b.write("x", "b")
	a.write("x", "a1")
	a.sync()
	check(t, "reviews added", other.sync().ReviewsAdded, 1)
	a.write("x", "a2")
	a.sync()
	check(t, "reviews added", b.sync().ReviewsAdded, 0)
	review := b.onlyReview()
	check(t, "remote", idsOf(review.Remote), "a1 a2")
	if err := other.Decide(t.Context(), review.ID, review.Remote); err != nil {
		t.Fatal(err)
	}
	a.write("x", "a3")
	a.sync()
	check(t, "reviews added", b.sync().ReviewsAdded, 0)
	a.sync()
	check(t, "b", b.counts("x"), "a1 a2 a3")
	check(t, "a", a.counts("x"), "a1 a2 a3")
}
