package synckit_test

import (
	"context"
	stderrors "errors"
	"fmt"
	"strings"
	"testing"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/resolve"
	"syncline/synckit/transport/memtransport"
)

// counting counts how often a resolver is asked, and about how many events.
type counting struct {
	synckit.ConflictResolver
	asked []string
}

func (c *counting) Resolve(ctx context.Context, local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
	c.asked = append(c.asked, fmt.Sprintf("%d against %d", len(local), len(remote)))
	return c.ConflictResolver.Resolve(ctx, local, remote)
}

// One conflict is one decision, however many pages it comes on.
func TestAConflictOnManyPagesIsDecidedOnce(t *testing.T) {
	t.Parallel()
	for name, resolver := range map[string]synckit.ConflictResolver{
		"last write wins": resolve.LastWriteWins{}, "highest": highest, "three-way merge": resolve.ThreeWayMerge{},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hub := newHub(t)
			asked := &counting{ConflictResolver: resolver}
			a := newNode(t, hub, synckit.SyncOptions{})
			b := newNode(t, hub, synckit.SyncOptions{ConflictResolver: asked, BatchSize: 7})
			for i := range 100 {
				a.write("x", fmt.Sprint("a", i))
				a.write(fmt.Sprint("y", i), fmt.Sprint("other", i))
			}
			for i := range 50 {
				b.write("x", fmt.Sprint("b", i))
			}
			a.sync()
			check(t, "conflicts", b.sync().ConflictsResolved, 1)
			check(t, "asked", asked.asked, []string{"50 against 100"})
			a.sync()
			check(t, "a", a.counts("x"), b.counts("x"))
			check(t, "later conflicts", b.sync().ConflictsResolved, 0)
		})
	}
}

// What a pull had found when it broke off is decided when a later one ends, by
// another manager, too.
func TestAPullThatBreaksOffInAConflict(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	line := newScripted(hub)
	pages := 0
	line.pullPage = func(ctx context.Context, since string, limit int) (synckit.Page, error) {
		if pages++; pages%3 == 0 {
			return synckit.Page{}, stderrors.New("the line broke")
		}
		return line.PagedTransport.PullPage(ctx, since, limit)
	}
	asked := &counting{ConflictResolver: highest}
	a := newNode(t, hub, synckit.SyncOptions{})
	b := nodeOver(t, line, synckit.SyncOptions{ConflictResolver: asked, BatchSize: 5})
	for i := range 40 {
		a.write("x", fmt.Sprint("a", 10+i))
	}
	b.write("x", "b1")
	a.sync()
	m := b.Manager
	for range 20 {
		_, err := m.Sync(t.Context())
		if err == nil {
			break
		}
		checkCode(t, err, errors.Unavailable)
		check(t, "reviews for a person", countReviews(t, m), 0)
		m = synckit.NewSyncManager(b.store, line, &synckit.SyncOptions{ConflictResolver: asked, BatchSize: 5})
		defer m.Close()
	}
	check(t, "asked", asked.asked, []string{"1 against 40"})
	a.sync()
	check(t, "a", a.counts("x"), "b1")
	check(t, "b", b.counts("x"), "b1")
	check(t, "in the log", len(strings.Fields(b.log())), 41)
}

func countReviews(t *testing.T, m *synckit.Manager) int {
	t.Helper()
	reviews, err := m.Reviews(t.Context(), "", 100)
	if err != nil {
		t.Fatal(err)
	}
	return len(reviews)
}

// An own event that comes back between pages is known from there on: what the peer
// has behind it is in no conflict with it.
func TestEchoesBetweenThePagesOfAConflict(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	asked := &counting{ConflictResolver: highest}
	a := newNode(t, hub, synckit.SyncOptions{})
	b := newNode(t, hub, synckit.SyncOptions{ConflictResolver: asked, BatchSize: 2})
	a.write("x", "a1", "a2", "a3")
	a.sync()
	b.write("x", "b1", "b2")
	if _, err := b.Push(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.sync()
	a.write("x", "a4", "a5", "a6")
	a.sync()
	check(t, "conflicts", b.sync().ConflictsResolved, 1)
	check(t, "asked", asked.asked, []string{"2 against 3"})
	check(t, "b", b.counts("x"), "b2 a4 a5 a6")
}

// A conflict that is left to a person is one review, with all that came.
func TestAReviewOfManyPages(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	a, b := newNode(t, hub, synckit.SyncOptions{}), newNode(t, hub, synckit.SyncOptions{ConflictResolver: toPerson, BatchSize: 3})
	for i := range 20 {
		a.write("x", fmt.Sprint("a", 10+i))
	}
	a.sync()
	b.write("x", "b")
	check(t, "reviews added", b.sync().ReviewsAdded, 1)
	check(t, "remote", len(b.onlyReview().Remote), 20)
	for i := range 20 {
		a.write("x", fmt.Sprint("a", 30+i))
	}
	a.sync()
	b.sync()
	review := b.onlyReview()
	check(t, "remote", len(review.Remote), 40)
	check(t, "log", b.log(), "b")
	if err := b.Decide(t.Context(), review.ID, review.Local); err != nil {
		t.Fatal(err)
	}
	b.sync()
	a.sync()
	check(t, "a", a.counts("x"), "b")
	check(t, "b", b.counts("x"), "b")
}

// A resolver that fails on one aggregate does not hold up another's decision.
func TestAResolverThatFailsAfterManyPages(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	fails := true
	a := newNode(t, hub, synckit.SyncOptions{})
	b := newNode(t, hub, synckit.SyncOptions{BatchSize: 3, ConflictResolver: resolverFunc(
		func(local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
			if fails && local[0].Event.AggregateID() == "x" {
				return nil, stderrors.New("no idea")
			}
			return highest(local, remote)
		})})
	for i := range 10 {
		a.write("x", fmt.Sprint("ax", i))
		a.write("y", fmt.Sprint("ay", i))
	}
	a.sync()
	b.write("x", "bx")
	b.write("y", "by")
	r, err := b.Sync(t.Context())
	checkCode(t, err, errors.ConflictFailed)
	check(t, "resolved", r.ConflictsResolved, 1)
	check(t, "x", b.counts("x"), "bx")
	check(t, "y", b.counts("y"), "by")
	fails = false
	check(t, "resolved", b.sync().ConflictsResolved, 1)
	a.sync()
	check(t, "x", a.counts("x"), "bx")
}

// another gives a second manager of a node's store, for the same peer.
func (n node) another(hub synckit.EventStore, resolver synckit.ConflictResolver) node {
	n.t.Helper()
	m := synckit.NewSyncManager(n.store, memtransport.New("hub", hub), &synckit.SyncOptions{ConflictResolver: resolver, BatchSize: 5, Peer: "hub"})
	n.t.Cleanup(func() { m.Close() })
	return node{m, n.store, n.t}
}

// What one manager has staged another of the same store may decide, between two syncs
// of the first or in the middle of one.
func TestAnotherManagerDecidesWhatWasStaged(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"between syncs", "in the middle of one"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			hub := newHub(t)
			line := newScripted(hub)
			broken := when == "between syncs"
			line.pullPage = func(ctx context.Context, since string, limit int) (synckit.Page, error) {
				if broken && since != "" {
					return synckit.Page{}, stderrors.New("the line broke")
				}
				return line.PagedTransport.PullPage(ctx, since, limit)
			}
			a := newNode(t, hub, synckit.SyncOptions{})
			var other node
			asked := 0
			b := nodeOver(t, line, synckit.SyncOptions{BatchSize: 5, Peer: "hub", ConflictResolver: resolverFunc(
				func(local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
					if asked++; asked == 1 {
						check(t, "resolved by the other", other.sync().ConflictsResolved, 2)
					}
					return highest(local, remote)
				})})
			other = b.another(hub, highest)
			for i := range 10 {
				a.write("x", fmt.Sprint("ax", i))
				a.write("y", fmt.Sprint("ay", i))
			}
			a.sync()
			b.write("x", "bx")
			b.write("y", "by")
			if broken { // when both have come in part
				_, err := b.Sync(t.Context())
				checkCode(t, err, errors.Unavailable)
				r, err := other.Pull(t.Context())
				check(t, "the other's error", err, nil)
				check(t, "resolved by the other", r.ConflictsResolved, 2)
				broken, asked = false, 1
			}
			check(t, "resolved", b.sync().ConflictsResolved, 0)
			a.sync()
			for _, n := range []node{a, b} {
				check(t, "x", n.counts("x"), "bx")
				check(t, "y", n.counts("y"), "by")
			}
			check(t, "resolutions", len(resolutionsIn(t, hub)), 2)
		})
	}
}

// What waits is found though it was staged by a program that has ended, and nothing
// new comes.
func TestAResolverThatFailsBeforeARestart(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	a := newNode(t, hub, synckit.SyncOptions{})
	b := newNode(t, hub, synckit.SyncOptions{BatchSize: 3, ConflictResolver: resolverFunc(
		func(_, _ []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
			return nil, stderrors.New("no idea")
		})})
	for i := range 10 {
		a.write("x", fmt.Sprint("a", i))
	}
	a.sync()
	b.write("x", "b")
	_, err := b.Pull(t.Context())
	checkCode(t, err, errors.ConflictFailed)
	r, err := b.another(hub, highest).Pull(t.Context())
	check(t, "error", err, nil)
	check(t, "resolved", r.ConflictsResolved, 1)
	check(t, "x", b.counts("x"), "b")
}
