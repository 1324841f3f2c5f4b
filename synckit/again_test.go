package synckit_test

import (
	"context"
	stderrors "errors"
	"fmt"
	"strings"
	"testing"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/transport/memtransport"
)

func (n node) stats() synckit.Stats {
	n.t.Helper()
	s, err := n.Stats(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	return s
}

func TestStatsCountWhatWaits(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	mine := func(e synckit.Event) bool { return e.AggregateID() != "private" }
	a := newNode(t, hub, synckit.SyncOptions{})
	b := newNode(t, hub, synckit.SyncOptions{ConflictResolver: toPerson, Filter: mine, BatchSize: 2})
	check(t, "nothing", b.stats(), synckit.Stats{})
	b.write("x", "b1", "b2", "b3")
	b.write("private", "b4")
	check(t, "written", b.stats(), synckit.Stats{Unsent: 3})
	a.write("x", "a")
	a.sync()
	b.sync()
	check(t, "synced", b.stats(), synckit.Stats{Reviews: 1})
	b.write("y", "b5")
	check(t, "written again", b.stats(), synckit.Stats{Unsent: 1, Reviews: 1})
}

func TestAResultNamesTheAggregatesThatChanged(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	a := newNode(t, hub, synckit.SyncOptions{})
	b := newNode(t, hub, synckit.SyncOptions{ConflictResolver: highest, BatchSize: 1})
	a.write("x", "a1")
	a.write("y", "a2", "a3")
	a.sync()
	b.write("x", "b1")
	b.write("z", "b2")
	check(t, "changed", strings.Join(b.sync().Aggregates, " "), "y x")
	check(t, "changed later", len(b.sync().Aggregates), 0)
}

func TestPullAgain(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	all := false
	a := newNode(t, hub, synckit.SyncOptions{Filter: func(e synckit.Event) bool { return all || e.ID() == "h1" }})
	for _, id := range []string{"h0", "h1", "h2"} {
		if err := hub.Store(t.Context(), newEvent(id, "x"), nil); err != nil {
			t.Fatal(err)
		}
	}
	check(t, "pulled", a.sync().EventsPulled, 1)
	all = true
	check(t, "passed by", a.sync().EventsPulled, 0)
	r, err := a.PullAgain(t.Context())
	check(t, "error", err, nil)
	check(t, "pulled again", r.EventsPulled, 2)
	check(t, "log", a.log(), "h1 h0 h2")
}

func TestARefusedEventIsSentAgain(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	line := newScripted(hub)
	refuses := stderrors.New("the quota is used up")
	line.push = func(ctx context.Context, events []synckit.EventWithVersion) error {
		if refuses == nil {
			return line.PagedTransport.Push(ctx, events)
		}
		outcome := &synckit.PushError{Refused: map[string]error{}}
		for _, e := range events {
			outcome.Refused[e.Event.ID()] = refuses
		}
		return outcome
	}
	a := nodeOver(t, line, synckit.SyncOptions{})
	a.write("x", "a")
	r, err := a.Sync(t.Context())
	check(t, "error", err, nil)
	check(t, "reviews", r.ReviewsAdded, 1)
	review := a.onlyReview()
	err = a.SendAgain(t.Context(), review.ID)
	checkCode(t, err, errors.Refused)
	check(t, "still waits", a.onlyReview().ID, review.ID)
	refuses = nil
	check(t, "sent", a.SendAgain(t.Context(), review.ID), nil)
	check(t, "at the peer", logOf(t, hub), "a")
	check(t, "reviews", a.stats().Reviews, 0)
	checkCode(t, a.SendAgain(t.Context(), review.ID), errors.NotFound)
	a.sync()
	check(t, "log", a.log(), "a")
}

func TestFold(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	a := newNode(t, hub, synckit.SyncOptions{})
	a.write("x", "a", "b", "c")
	events, err := a.Effective(t.Context(), "x")
	check(t, "error", err, nil)
	names := func(s []string, e synckit.Event) ([]string, error) {
		var data struct{ By string }
		err := synckit.DecodeData(e, &data)
		return append(s, data.By), err
	}
	state, err := synckit.Fold(events, nil, names)
	check(t, "error", err, nil)
	check(t, "state", state, []string{"a", "b", "c"})
	cause := stderrors.New("no")
	count, err := synckit.Fold(events, 0, func(n int, e synckit.Event) (int, error) {
		if e.ID() == "c" {
			return 0, cause
		}
		return n + 1, nil
	})
	check(t, "until then", count, 2)
	if !stderrors.Is(err, cause) || !strings.Contains(fmt.Sprint(err), `"c"`) {
		t.Error(err)
	}
}

// A review belongs to one peer: the manager of another can neither send its event nor end it.
func TestSendAgainIsForThePeerThatRefused(t *testing.T) {
	t.Parallel()
	east, west := newHub(t), newHub(t)
	line := newScripted(east)
	line.push = func(context.Context, []synckit.EventWithVersion) error {
		return &synckit.PushError{Refused: map[string]error{"a": stderrors.New("no")}}
	}
	a := nodeOver(t, line, synckit.SyncOptions{Peer: "east"})
	toWest := synckit.NewSyncManager(a.store, memtransport.New("west", west), nil)
	t.Cleanup(func() { toWest.Close() })
	a.write("x", "a")
	if _, err := a.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	review := a.onlyReview()
	checkCode(t, toWest.SendAgain(t.Context(), review.ID), errors.NotFound)
	check(t, "at the other peer", logOf(t, west), "")
	check(t, "still waits", a.onlyReview().ID, review.ID)
}

// What this side refuses is not sent before that has changed.
func TestSendAgainAsksWhetherTheEventMayBeSent(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	valid := false
	a := newNode(t, hub, synckit.SyncOptions{Validate: func(synckit.Event) error {
		if valid {
			return nil
		}
		return stderrors.New("not yet")
	}})
	a.write("x", "a")
	if _, err := a.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	review := a.onlyReview()
	checkCode(t, a.SendAgain(t.Context(), review.ID), errors.InvalidEvent)
	check(t, "at the peer", logOf(t, hub), "")
	valid = true
	check(t, "sent", a.SendAgain(t.Context(), review.ID), nil)
	check(t, "at the peer", logOf(t, hub), "a")
}
