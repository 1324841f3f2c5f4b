package synckit_test

import (
	"context"
	stderrors "errors"
	"strings"
	"testing"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/transport/memtransport"
)

func newScripted(hub synckit.EventStore) *scripted {
	return &scripted{PagedTransport: memtransport.New("hub", hub)}
}

// An acknowledgement that got lost: the events are pushed again, and the peer
// has them once.
func TestPushIsRepeatedUntilItIsAcknowledged(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	transport := newScripted(hub)
	a := nodeOver(t, transport, synckit.SyncOptions{BatchSize: 2})
	a.write("x", "a1", "a2", "a3")
	transport.push = func(ctx context.Context, events []synckit.EventWithVersion) error {
		if err := transport.PagedTransport.Push(ctx, events); err != nil {
			return err
		}
		return stderrors.New("the connection broke")
	}
	r, err := a.Sync(t.Context())
	checkCode(t, err, errors.Unavailable)
	check(t, "pushed", r.EventsPushed, 0)
	check(t, "connection", a.Status().Connection, synckit.Offline)
	transport.push = nil
	check(t, "pushed", a.sync().EventsPushed, 3)
	check(t, "hub", logOf(t, hub), "a1 a2 a3")
	check(t, "connection", a.Status().Connection, synckit.Online)
}

func TestAnEventThatThePeerRefusesIsKeptForReview(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	transport := newScripted(hub)
	a := nodeOver(t, transport, synckit.SyncOptions{BatchSize: 3})
	a.write("x", "a1", "a2", "a3", "a4")
	transport.push = func(ctx context.Context, events []synckit.EventWithVersion) error {
		partly := &synckit.PushError{Refused: map[string]error{}}
		for _, e := range events {
			if e.Event.ID() == "a2" {
				partly.Refused["a2"] = stderrors.New("not here")
				continue
			}
			if err := transport.PagedTransport.Push(ctx, []synckit.EventWithVersion{e}); err != nil {
				return err
			}
			partly.Stored = append(partly.Stored, e.Event.ID())
		}
		if len(partly.Refused) > 0 {
			return partly
		}
		return nil
	}
	r, err := a.Sync(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	check(t, "pushed", r.EventsPushed, 3)
	check(t, "reviews", r.ReviewsAdded, 1)
	check(t, "errors", len(r.Errors), 1)
	checkCode(t, r.Errors[0], errors.Refused)
	check(t, "hub", logOf(t, hub), "a1 a3 a4")
	review := a.onlyReview()
	check(t, "refused", idsOf(review.Local), "a2")
	if !strings.Contains(review.Reason, "not here") {
		t.Errorf("reason: %s", review.Reason)
	}
	check(t, "pushed again", a.sync().EventsPushed, 0)

	if err := a.Decide(t.Context(), review.ID, review.Local); err != nil {
		t.Fatal(err)
	}
	check(t, "log", a.counts("x"), "a1 a2 a3 a4")
	checkCode(t, a.Decide(t.Context(), review.ID, review.Local), errors.NotFound)
}

func TestARefusedEventCanBeReplaced(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	a := newNode(t, hub, synckit.SyncOptions{Validate: func(e synckit.Event) error {
		if e.ID() == "bad" {
			return stderrors.New("not valid")
		}
		return nil
	}})
	a.write("x", "bad", "later")
	r, err := a.Sync(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	checkCode(t, r.Errors[0], errors.InvalidEvent)
	better := synckit.EventWithVersion{Event: newEvent("better", "x")}
	if err := a.Decide(t.Context(), a.onlyReview().ID, []synckit.EventWithVersion{better}); err != nil {
		t.Fatal(err)
	}
	a.sync()
	check(t, "log", a.counts("x"), "better later")
	check(t, "hub", logOf(t, hub), "later better")
}

func TestOnlyPartOfABatchIsStored(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answer synckit.PushError
		code   errors.Code
	}{
		"the peer says why":     {synckit.PushError{Stored: []string{"a1", "a3"}, Err: stderrors.New("disk full")}, errors.Unavailable},
		"a code is kept":        {synckit.PushError{Stored: []string{"a1"}, Err: errors.New(errors.Unauthenticated, "push", nil)}, errors.Unauthenticated},
		"the peer forgot some":  {synckit.PushError{Stored: []string{"a1", "a3"}}, errors.Unavailable},
		"nothing at all":        {synckit.PushError{}, errors.Unavailable},
		"refused behind a hole": {synckit.PushError{Stored: []string{"a1"}, Refused: map[string]error{"a3": nil}, Err: stderrors.New("x")}, errors.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hub := newHub(t)
			transport := newScripted(hub)
			a := nodeOver(t, transport, synckit.SyncOptions{})
			a.write("x", "a1", "a2", "a3")
			transport.push = func(context.Context, []synckit.EventWithVersion) error { return &test.answer }
			r, err := a.Sync(t.Context())
			checkCode(t, err, test.code)
			check(t, "pushed", r.EventsPushed, len(test.answer.Stored))
			check(t, "reviews", r.ReviewsAdded, 0)
			transport.push = nil
			a.sync()
			check(t, "what was not stored comes", strings.Contains(logOf(t, hub), "a2 a3"), true)
		})
	}
}

func TestFaultsOfTheAppsFunctions(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	a := newNode(t, hub, synckit.SyncOptions{Filter: func(synckit.Event) bool { panic("filter") }})
	a.write("x", "a1")
	_, err := a.Sync(t.Context())
	checkCode(t, err, errors.Internal)
	b := newNode(t, hub, synckit.SyncOptions{Validate: func(synckit.Event) error { panic("validate") }})
	b.write("x", "b1")
	r, err := b.Sync(t.Context())
	check(t, "sync", err, nil)
	checkCode(t, r.Errors[0], errors.InvalidEvent)
	check(t, "hub", logOf(t, hub), "")
	transport := newScripted(hub)
	transport.push = func(context.Context, []synckit.EventWithVersion) error { panic("push") }
	c := nodeOver(t, transport, synckit.SyncOptions{})
	c.write("x", "c1")
	_, err = c.Sync(t.Context())
	checkCode(t, err, errors.Unavailable)
}

// A node between two peers passes on what each has, and sends nothing back to
// where it came from.
func TestANodeBetweenTwoPeers(t *testing.T) {
	t.Parallel()
	east, west := newHub(t), newHub(t)
	for _, id := range []string{"e1", "e2"} {
		if err := east.Store(t.Context(), newEvent(id, "x"), nil); err != nil {
			t.Fatal(err)
		}
	}
	bridge := nodeOver(t, memtransport.New("east", east), synckit.SyncOptions{ConflictResolver: highest})
	toWest := synckit.NewSyncManager(bridge.store, memtransport.New("west", west), &synckit.SyncOptions{ConflictResolver: highest})
	t.Cleanup(func() { toWest.Close() })
	if err := west.Store(t.Context(), newEvent("w1", "x"), nil); err != nil {
		t.Fatal(err)
	}
	check(t, "pushed east", bridge.sync().EventsPushed, 0)
	r, err := toWest.Sync(t.Context())
	check(t, "west", err, nil)
	check(t, "conflicts", r.ConflictsResolved, 1) // nobody else can know of it
	check(t, "pushed west", r.EventsPushed, 3)
	bridge.sync()
	check(t, "east", logOf(t, east), "e1 e2 w1")
	for _, store := range []synckit.EventStore{east, west, bridge.store} {
		events, err := synckit.LoadEffective(t.Context(), store, "x")
		check(t, "error", err, nil)
		check(t, "effective", idsOf(events), "w1")
	}
}
