package synckit_test

import (
	"context"
	stderrors "errors"
	"strings"
	"testing"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/memtransport"
)

// shortened is a hub as a backup or a replica has it that ends earlier: the same log, with its
// first events.
func shortened(t *testing.T, hub *memory.Store, to int) *memory.Store {
	t.Helper()
	entries, err := hub.Read(t.Context(), 0, to)
	if err != nil {
		t.Fatal(err)
	}
	name, err := hub.Cursor(t.Context(), "synckit.log", synckit.Pulling)
	if err != nil || name == "" {
		t.Fatalf("the log has no name: %v", err)
	}
	short := newHub(t)
	_, err = short.Commit(t.Context(), synckit.Commit{
		Append: entries, Cursors: []synckit.Cursor{{Peer: "synckit.log", Direction: synckit.Pulling, Value: name}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return short
}

// overHub reaches another store from now on.
func (s *scripted) overHub(t *testing.T, hub synckit.EventStore) {
	t.Helper()
	transport := memtransport.New("hub", hub)
	t.Cleanup(func() { transport.Close() })
	s.PagedTransport = transport
}

func (n node) push() *synckit.SyncResult {
	n.t.Helper()
	r, err := n.Push(n.t.Context())
	if err != nil || len(r.Errors) > 0 {
		n.t.Fatalf("push: %v, %v", err, r.Errors)
	}
	return r
}

// The peer's log loses its end, behind what a node has read of it. What the node had pushed there
// does not come back, and is pushed again, once, by a process that began after it, too.
func TestWhatThePeerLosesBehindWhatWasReadIsPushedAgain(t *testing.T) {
	t.Parallel()
	for _, restarted := range []bool{false, true} {
		hub := newHub(t)
		line := newScripted(hub)
		options := synckit.SyncOptions{BatchSize: 2}
		a, b := nodeOver(t, line, options), newNode(t, hub, synckit.SyncOptions{})
		b.write("x", "b1")
		b.sync()
		a.sync()
		b.write("x", "b2")
		b.sync()
		a.write("x", "a1", "a2", "a3")
		a.push()
		short := shortened(t, hub, 1)
		line.overHub(t, short)
		if restarted {
			a.Manager = synckit.NewSyncManager(a.store, line, &options)
			t.Cleanup(func() { a.Close() })
		}
		check(t, "pushed", a.sync().EventsPushed, 3)
		check(t, "at the peer", logOf(t, short), "b1 a1 a2 a3")
		check(t, "unsent", a.stats().Unsent, 0)
		for range 3 {
			check(t, "pushed later", a.sync().EventsPushed, 0)
		}
		line.overHub(t, shortened(t, short, 4)) // all of it is there
		a.write("x", "a4")
		check(t, "pushed", a.sync().EventsPushed, 1)
	}
}

// A peer that never gives own events back has each pushed twice, and not again and again.
func TestWhatNeverComesBackIsPushedTwice(t *testing.T) {
	t.Parallel()
	line := newScripted(newHub(t))
	line.pullPage = func(ctx context.Context, since string, limit int) (synckit.Page, error) {
		page, err := line.PagedTransport.PullPage(ctx, since, limit)
		page.Events = nil
		return page, err
	}
	a := nodeOver(t, line, synckit.SyncOptions{BatchSize: 2})
	pushed := 0
	for _, ids := range []string{"a1 a2 a3", "", "", "a4", "", ""} {
		a.write("x", strings.Fields(ids)...)
		pushed += a.sync().EventsPushed
	}
	check(t, "pushed", pushed, 2*4)
}

// What the peer refused does not come back either. It is not pushed again for that, nor is it
// brought up again after somebody has decided.
func TestWhatWasRefusedIsNotMissing(t *testing.T) {
	t.Parallel()
	line := newScripted(newHub(t))
	line.push = func(ctx context.Context, events []synckit.EventWithVersion) error {
		outcome := &synckit.PushError{Refused: map[string]error{}}
		for _, e := range events {
			if e.Event.ID() == "a2" {
				outcome.Refused["a2"] = stderrors.New("no")
				continue
			}
			if err := line.PagedTransport.Push(ctx, []synckit.EventWithVersion{e}); err != nil {
				return err
			}
			outcome.Stored = append(outcome.Stored, e.Event.ID())
		}
		if len(outcome.Refused) == 0 {
			return nil
		}
		return outcome
	}
	a := nodeOver(t, line, synckit.SyncOptions{})
	a.write("x", "a1", "a2", "a3")
	if _, err := a.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	review := a.onlyReview()
	check(t, "pushed again", a.sync().EventsPushed, 0)
	check(t, "decided", a.Decide(t.Context(), review.ID, review.Local), nil)
	for range 3 {
		check(t, "pushed again", a.sync().EventsPushed, 0)
	}
	check(t, "reviews", a.stats().Reviews, 0)
}

// A push without a pull notices as well that the peer has another log.
func TestAPushAloneNoticesThatTheLogIsAnother(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		options synckit.SyncOptions
		sync    func(node) *synckit.SyncResult
	}{
		"Push":     {synckit.SyncOptions{}, node.push},
		"PushOnly": {synckit.SyncOptions{PushOnly: true}, node.sync},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			line := newScripted(newHub(t))
			a := nodeOver(t, line, test.options)
			a.write("x", "a1", "a2")
			a.sync()
			a.write("x", "a3")
			test.sync(a)
			empty := newHub(t)
			line.overHub(t, empty)
			check(t, "pushed", test.sync(a).EventsPushed, 3)
			check(t, "at the peer", logOf(t, empty), "a1 a2 a3")
			check(t, "pushed later", test.sync(a).EventsPushed, 0)
		})
	}
}

// A cursor that is too old is no lost log: the peer's log is read from its beginning, and
// nothing is pushed again. What was deleted there stays so.
func TestACursorThatIsTooOld(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	line := newScripted(hub)
	a := nodeOver(t, line, synckit.SyncOptions{BatchSize: 2})
	for _, id := range []string{"h1", "h2", "h3"} {
		check(t, "put", hub.Store(t.Context(), newEvent(id, "x"), nil), nil)
	}
	a.write("x", "a1")
	a.sync()
	a.sync()
	check(t, "put", hub.Store(t.Context(), newEvent("h4", "x"), nil), nil)
	tooOld := true
	line.pullPage = func(ctx context.Context, since string, limit int) (synckit.Page, error) {
		if since != "" && tooOld {
			tooOld = false
			return synckit.Page{}, errors.New(errors.CursorLost, "pull", nil, errors.Metadata{errors.LogKept: "true"})
		}
		return line.PagedTransport.PullPage(ctx, since, limit)
	}
	r := a.sync()
	check(t, "pulled", r.EventsPulled, 1)
	check(t, "pushed", r.EventsPushed, 0)
	check(t, "log", a.log(), "a1 h1 h2 h3 h4")
}

// The peer's log was erased, and is then restored from a backup: what is older than the erasure is
// not pushed for that, and in no conflict with what comes.
func TestARestoreAfterAnErasure(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	line := newScripted(hub)
	var sides []string
	a := nodeOver(t, line, synckit.SyncOptions{
		ConflictResolver: resolverFunc(func(local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
			sides = append(sides, idsOf(local)+" | "+idsOf(remote))
			return append(local, remote...), nil
		}),
	})
	a.write("x", "a1")
	a.sync()
	a.sync()
	a.write("x", "a2")
	line.pullPage = func(ctx context.Context, since string, _ int) (synckit.Page, error) {
		return synckit.Page{}, errors.New(errors.Erased, "pull", nil)
	}
	r, err := a.Sync(t.Context())
	checkCode(t, err, errors.Erased)
	check(t, "erased", r.Erased, true)
	line.pullPage = nil
	empty := newHub(t)
	line.overHub(t, empty)
	a.write("x", "a3")
	a.sync()
	a.sync()
	check(t, "at the peer", logOf(t, empty), "a3")
	restored := newHub(t)
	check(t, "put", restored.Store(t.Context(), newEvent("h", "x"), nil), nil)
	line.overHub(t, restored)
	line.pullPage = func(ctx context.Context, since string, limit int) (synckit.Page, error) {
		if line.pullPage = nil; since == "" {
			t.Error("it does not go on from where it was")
		}
		return synckit.Page{}, errors.New(errors.CursorLost, "pull", nil)
	}
	a.write("x", "a4")
	_, err = a.Sync(t.Context())
	check(t, "error", err, nil)
	check(t, "conflicts", sides, []string{"a4 | h"})
	check(t, "at the peer", logOf(t, restored), "h a3 a4")
}

// Where the disk is full, so that it cannot be kept that the peer's log was erased, nothing is
// pushed either.
func TestAnErasureThatCannotBeKept(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	line := newScripted(hub)
	log := &fullLog{Log: memory.New()}
	m := synckit.NewSyncManager(log, line, nil)
	t.Cleanup(func() { m.Close() })
	if _, err := m.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(t, "store", log.Store(t.Context(), newEvent("a", "x"), nil), nil)
	line.pullPage = func(context.Context, string, int) (synckit.Page, error) {
		return synckit.Page{}, errors.New(errors.Erased, "pull", nil)
	}
	for _, full := range []bool{true, false} {
		log.full = full
		r, err := m.Sync(t.Context())
		checkCode(t, err, errors.Erased)
		check(t, "erased", r.Erased, !full)
		check(t, "at the peer", logOf(t, hub), "")
	}
	stats, err := m.Stats(t.Context())
	check(t, "error", err, nil)
	check(t, "waits", stats, synckit.Stats{Reviews: 1})
}
