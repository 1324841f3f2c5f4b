package synckit_test

import (
	"context"
	stderrors "errors"
	"slices"
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

// What a node had passed on from another peer is pushed again as its own is, where the peer's log
// ends earlier and where it is lost.
func TestWhatWasPassedOnIsPushedAgain(t *testing.T) {
	t.Parallel()
	hub, elsewhere := newHub(t), newHub(t)
	line := newScripted(hub)
	a := nodeOver(t, line, synckit.SyncOptions{})
	from := synckit.NewSyncManager(a.store, memtransport.New("elsewhere", elsewhere), nil)
	t.Cleanup(func() { from.Close() })
	a.write("x", "a1")
	a.sync()
	a.sync()
	check(t, "put", elsewhere.Store(t.Context(), newEvent("f", "x"), nil), nil)
	if _, err := from.Pull(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.push()
	check(t, "at the peer", logOf(t, hub), "a1 f")
	short := shortened(t, hub, 1)
	line.overHub(t, short)
	check(t, "pushed", a.sync().EventsPushed, 1)
	check(t, "at the peer", logOf(t, short), "a1 f")
	a.sync()
	check(t, "pushed later", a.sync().EventsPushed, 0)
	empty := newHub(t)
	line.overHub(t, empty)
	check(t, "pushed", a.sync().EventsPushed, 2)
	check(t, "at the peer", logOf(t, empty), "a1 f")
}

// A peer that never gives own events back has each pushed twice, and not again and again, by one
// process or by one after the other.
func TestWhatNeverComesBackIsPushedTwice(t *testing.T) {
	t.Parallel()
	for _, restarted := range []bool{false, true} {
		neverComesBack(t, restarted)
	}
}

func neverComesBack(t *testing.T, restarted bool) {
	t.Helper()
	line := newScripted(newHub(t))
	line.pullPage = func(ctx context.Context, since string, limit int) (synckit.Page, error) {
		page, err := line.PagedTransport.PullPage(ctx, since, limit)
		page.Events = nil
		return page, err
	}
	options := synckit.SyncOptions{BatchSize: 2}
	a := nodeOver(t, line, options)
	pushed := 0
	for _, ids := range []string{"a1 a2 a3", "", "", "a4", "", "", ""} {
		if restarted {
			a.Manager = synckit.NewSyncManager(a.store, line, &options)
			t.Cleanup(func() { a.Close() })
		}
		a.write("x", strings.Fields(ids)...)
		pushed += a.sync().EventsPushed
	}
	check(t, "pushed", pushed, 2*4)
}

// refusing gives a node whose peer takes all but a2, and tells how often it was asked for that.
func refusing(t *testing.T) (a node, peer *memory.Store, line *scripted, asked *int) {
	t.Helper()
	peer, asked = newHub(t), new(int)
	line = newScripted(peer)
	line.push = func(ctx context.Context, events []synckit.EventWithVersion) error {
		outcome := &synckit.PushError{Refused: map[string]error{}}
		for _, e := range events {
			if e.Event.ID() == "a2" {
				*asked++
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
	a = nodeOver(t, line, synckit.SyncOptions{})
	a.write("x", "a1", "a2", "a3")
	if _, err := a.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	return a, peer, line, asked
}

// What the peer refused does not come back either. It is not pushed again for that, nor is it
// brought up again after somebody has decided: at once, or after the next sync.
func TestWhatWasRefusedIsNotMissing(t *testing.T) {
	t.Parallel()
	for _, before := range []int{0, 1} {
		a, _, line, asked := refusing(t)
		review := a.onlyReview()
		for range before {
			check(t, "pushed again", a.sync().EventsPushed, 0)
		}
		check(t, "decided", a.Decide(t.Context(), review.ID, review.Local), nil)
		for range 3 {
			check(t, "pushed again", a.sync().EventsPushed, 0)
		}
		check(t, "reviews", a.stats().Reviews, 0)
		empty := newHub(t)
		line.overHub(t, empty)
		check(t, "pushed to another log", a.sync().EventsPushed, 2)
		check(t, "there", logOf(t, empty), "a1 a3")
		check(t, "asked", *asked, 1)
		check(t, "reviews", a.stats().Reviews, 0)
	}
}

// Two processes push the same event at once, and somebody decides that the peer refused it before the
// second has its answer.
func TestARefusalThatWasDecidedMeanwhile(t *testing.T) {
	t.Parallel()
	refuse := func(context.Context, []synckit.EventWithVersion) error {
		return &synckit.PushError{Refused: map[string]error{"a1": stderrors.New("no")}}
	}
	hub := newHub(t)
	lines := [2]*scripted{newScripted(hub), newScripted(hub)}
	a := nodeOver(t, lines[0], synckit.SyncOptions{})
	other := synckit.NewSyncManager(a.store, lines[1], nil)
	t.Cleanup(func() { other.Close() })
	a.write("x", "a1")
	lines[1].push = refuse
	lines[0].push = func(ctx context.Context, events []synckit.EventWithVersion) error {
		if _, err := other.Sync(ctx); err != nil {
			t.Error(err)
		}
		review := a.onlyReview()
		check(t, "decided", other.Decide(ctx, review.ID, review.Local), nil)
		return refuse(ctx, events)
	}
	r := a.sync()
	check(t, "pushed", r.EventsPushed, 0)
	check(t, "reviews of the result", r.ReviewsAdded, 0)
	check(t, "reviews", a.stats(), synckit.Stats{})
}

// An earlier release kept neither what was decided nor what was seen. What it had pushed is not
// looked for.
func TestWhatAnEarlierReleasePushedIsNotMissing(t *testing.T) {
	t.Parallel()
	a, peer, line, asked := refusing(t)
	review := a.onlyReview()
	check(t, "decided", a.Decide(t.Context(), review.ID, review.Local), nil)
	_, err := a.store.Commit(t.Context(), synckit.Commit{Cursors: []synckit.Cursor{
		{Peer: "hub", Direction: "seen"}, {Peer: "hub", Direction: "held"}, {Peer: "hub", Direction: synckit.Direction("decided " + review.ID)},
	}})
	check(t, "error", err, nil)
	m := synckit.NewSyncManager(a.store, line, nil)
	t.Cleanup(func() { m.Close() })
	a.Manager = m
	check(t, "pushed again", a.sync().EventsPushed, 0)
	a.write("x", "a4")
	check(t, "pushed", a.sync().EventsPushed, 1)
	check(t, "pushed again", a.sync().EventsPushed, 0)
	check(t, "asked", *asked, 1)
	check(t, "reviews", a.stats().Reviews, 0)
	a.write("x", "a5") // from here on it is looked for
	a.sync()
	hub := shortened(t, peer, 3)
	line.overHub(t, hub)
	check(t, "pushed again", a.sync().EventsPushed, 1)
	check(t, "at the peer", logOf(t, hub), "a1 a3 a4 a5")
}

// gappedLog leaves an entry out, as a log that was restored may.
type gappedLog struct {
	memoryLog
	hidden synckit.Position
	read   int
}

func (l *gappedLog) Read(ctx context.Context, after synckit.Position, limit int) ([]synckit.Entry, error) {
	if l.read++; l.read > 1000 {
		return nil, stderrors.New("it is read again and again")
	}
	entries, err := l.memoryLog.Read(ctx, after, limit+1)
	entries = slices.DeleteFunc(entries, func(e synckit.Entry) bool { return e.Position == l.hidden })
	return entries[:min(len(entries), limit)], err
}

// A log that has nothing any more where it was pushed to, and more behind that than a batch, is
// gone through once.
func TestALogThatHasNothingWhereItWasPushedTo(t *testing.T) {
	t.Parallel()
	hub, log := newHub(t), &gappedLog{memoryLog: memory.New()}
	line := newScripted(hub)
	m := synckit.NewSyncManager(log, line, &synckit.SyncOptions{BatchSize: 1})
	t.Cleanup(func() { m.Close(); line.Close(); log.Close() })
	sync := func() {
		if r, err := m.Sync(t.Context()); err != nil || len(r.Errors) > 0 {
			t.Fatalf("sync: %v, %v", err, r.Errors)
		}
	}
	write := func(id string) { check(t, "store", log.Store(t.Context(), newEvent(id, "x"), nil), nil) }
	write("a1")
	sync()
	sync()
	write("a2")
	sync()
	log.hidden = 2
	write("a3")
	sync()
	check(t, "at the peer", logOf(t, hub), "a1 a2 a3")
}

// One process finds that the peer has lost the end of its log, while another finds that it has
// lost all: all is pushed again.
func TestALossOfTheEndDoesNotHideOneOfAll(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	lines := [2]*scripted{newScripted(hub), newScripted(hub)}
	a := nodeOver(t, lines[0], synckit.SyncOptions{})
	other := synckit.NewSyncManager(a.store, lines[1], nil)
	t.Cleanup(func() { other.Close() })
	a.write("x", "a1", "a2", "a3")
	a.sync()
	a.sync()
	a.write("x", "a4")
	a.push()
	short, empty := shortened(t, hub, 3), newHub(t)
	lines[0].overHub(t, short)
	lines[0].pullPage = func(ctx context.Context, since string, limit int) (synckit.Page, error) {
		page, err := lines[0].PagedTransport.PullPage(ctx, since, limit)
		lines[0].pullPage = nil
		lines[1].overHub(t, empty)
		lines[1].push = func(context.Context, []synckit.EventWithVersion) error { return stderrors.New("the line is cut") }
		if _, err := other.Sync(ctx); err == nil {
			t.Error("a line that is cut carries events")
		}
		return page, err
	}
	if _, err := a.Pull(t.Context()); err != nil {
		t.Fatal(err)
	}
	lines[0].overHub(t, empty)
	a.sync()
	check(t, "at the peer", logOf(t, empty), "a1 a2 a3 a4")
	a.sync()
	a.sync()
	check(t, "pushed later", a.sync().EventsPushed, 0)
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
// not pushed for that, and in no conflict with what comes. What is newer is.
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
	check(t, "conflicts", sides, []string{"a3 a4 | h"}) // the restored log has not a3 either
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

// A manager that never pushes leaves what is not pushed alone. One that does finds it, with what
// was written until then.
func TestAnErasureThatAManagerFindsWhichNeverPushes(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	line := newScripted(hub)
	a := nodeOver(t, line, synckit.SyncOptions{PullOnly: true})
	check(t, "put", hub.Store(t.Context(), newEvent("h1", "x"), nil), nil)
	a.sync()
	a.write("x", "a1", "a2")
	line.pullPage = func(context.Context, string, int) (synckit.Page, error) {
		return synckit.Page{}, errors.New(errors.Erased, "pull", nil)
	}
	r, err := a.Sync(t.Context())
	checkCode(t, err, errors.Erased)
	check(t, "erased", r.Erased, true)
	check(t, "waits", a.stats().Reviews, 0)
	line.pullPage = nil
	empty := newHub(t)
	line.overHub(t, empty)
	check(t, "put", empty.Store(t.Context(), newEvent("h2", "x"), nil), nil)
	check(t, "pulled", a.sync().EventsPulled, 1)
	a.write("x", "a3")
	m := synckit.NewSyncManager(a.store, line, nil)
	t.Cleanup(func() { m.Close() })
	r, err = m.Sync(t.Context())
	checkCode(t, err, errors.Erased)
	check(t, "reviews", r.ReviewsAdded, 2)
	a.Manager = m
	a.sync()
	a.sync()
	check(t, "at the peer", logOf(t, empty), "h2 a3")
	check(t, "waits", a.stats(), synckit.Stats{Reviews: 2})
}

// One process is in the middle of a push when another finds that the peer's log was erased. The
// batch that is on its way arrives, what is older and was to follow does not, and what is written
// afterwards does.
func TestAPushThatGoesOnStopsAtAnErasure(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	lines := [2]*scripted{newScripted(hub), newScripted(hub)}
	a := nodeOver(t, lines[0], synckit.SyncOptions{BatchSize: 2})
	other := synckit.NewSyncManager(a.store, lines[1], nil)
	t.Cleanup(func() { other.Close() })
	check(t, "put", hub.Store(t.Context(), newEvent("h", "x"), nil), nil)
	a.sync()
	a.write("x", numberedIDs("a", 1, 6)...)
	lines[1].pullPage = func(context.Context, string, int) (synckit.Page, error) {
		return synckit.Page{}, errors.New(errors.Erased, "pull", nil)
	}
	lines[0].push = func(ctx context.Context, events []synckit.EventWithVersion) error {
		lines[0].push = nil
		_, err := other.Sync(ctx)
		checkCode(t, err, errors.Erased)
		a.write("x", "later")
		return lines[0].PagedTransport.Push(ctx, events)
	}
	a.push()
	check(t, "at the peer", logOf(t, hub), "h a01 a02 later")
	check(t, "waits", a.stats(), synckit.Stats{Reviews: 6})
}
