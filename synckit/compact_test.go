package synckit_test

import (
	"context"
	stderrors "errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
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

// Nodes that compact at once, at whatever steps, agree on one snapshot, and nothing is in two.
func TestNodesThatCompactAtOnce(t *testing.T) {
	t.Parallel()
	for step := range 4 { // of the first: which call of Push the second comes before, at a node or in the log itself
		where := [...]string{"a node", "the log itself"}[step/2]
		t.Run(fmt.Sprint("before push ", step%2, " by ", where), func(t *testing.T) {
			t.Parallel()
			hub := newHub(t)
			between := &interrupted{SkippingTransport: memtransport.New("hub", hub), at: step % 2}
			a, b := nodeOver(t, between, synckit.SyncOptions{}), newNode(t, hub, synckit.SyncOptions{})
			a.write("x", "a1", "a2")
			a.sync()
			b.write("x", "b1")
			between.then = func() {
				if b.write("x", "b2"); step < 2 {
					b.compact("x")
					return
				}
				b.sync()
				if _, err := synckit.CompactLog(t.Context(), hub, "x", time.Time{}, sum); err != nil {
					t.Error(err)
				}
			}
			a.compact("x")
			a.sync()
			b.sync()
			c := newNode(t, hub, synckit.SyncOptions{})
			c.sync()
			for _, n := range []node{a, b, c} {
				expect(t, "content", n.content("x"), c.content("x"))
				counts := strings.Fields(n.content("x"))
				if slices.Sort(counts); !slices.Equal(counts, []string{"a1", "a2", "b1", "b2"}) {
					t.Errorf("counts %v", counts)
				}
			}
		})
	}
}

// Nodes that write and compact all the time have each event once.
func TestNodesThatCompactAllTheTime(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	var nodes []node
	var running sync.WaitGroup
	for i := range 4 {
		n := newNode(t, hub, synckit.SyncOptions{BatchSize: 3})
		nodes = append(nodes, n)
		running.Go(func() {
			for round := range 15 {
				n.write("x", fmt.Sprintf("n%d-%d", i, round))
				_, err := n.Compact(t.Context(), "x", time.Time{}, sum)
				if err != nil && errors.CodeOf(err) != errors.Outdated {
					t.Error(err)
				}
			}
		})
	}
	running.Wait()
	for range 3 {
		for _, n := range nodes {
			n.sync()
		}
	}
	for _, n := range nodes {
		expect(t, "content", n.content("x"), nodes[0].content("x"))
		counts := strings.Fields(n.content("x"))
		if slices.Sort(counts); len(counts) != 60 || len(slices.Compact(counts)) != 60 {
			t.Errorf("%d events count", len(counts))
		}
	}
}

// Two nodes have proposed, and one has not seen the other's proposal when it commits its own.
func TestTheFirstProposalIsCommitted(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	first := &interrupted{SkippingTransport: memtransport.New("hub", hub), at: 1} // before it commits
	second := &interrupted{SkippingTransport: memtransport.New("hub", hub)}       // before it proposes
	a, b := nodeOver(t, first, synckit.SyncOptions{}), nodeOver(t, second, synckit.SyncOptions{})
	a.write("x", "a1", "a2")
	a.sync()
	committing, others, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	first.then = func() { close(committing); <-others }
	second.then = func() {
		a.write("x", "a3") // so that the two are not the same
		b.write("x", "b1")
		go func() {
			_, err := a.Compact(t.Context(), "x", time.Time{}, sum)
			done <- err
		}()
		<-committing
	}
	b.write("x", "b0")
	_, err := b.Compact(t.Context(), "x", time.Time{}, sum)
	close(others)
	if err = stderrors.Join(err, <-done); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		a.sync()
		b.sync()
	}
	for _, n := range []node{a, b} {
		expect(t, "content", n.content("x"), "a1 b0 a2 a3 b1")
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

// interrupted is a transport that is held up before a push of a compaction.
type interrupted struct {
	synckit.SkippingTransport
	at   int // which one
	then func()
}

func (i *interrupted) Push(ctx context.Context, events []synckit.EventWithVersion) error {
	if then := i.then; then != nil && strings.HasPrefix(events[0].Event.Type(), "synckit.") {
		if i.at--; i.at < 0 {
			i.then = nil
			then()
		}
	}
	return i.SkippingTransport.Push(ctx, events)
}

var errKilled = stderrors.New("killed")

type droppingLog interface {
	synckit.Log
	synckit.Dropper
}

// steps are those that a process has left until it is killed.
type steps struct{ left int }

func (s *steps) take() error {
	if s.left--; s.left < 0 {
		return errKilled
	}
	return nil
}

type mortalStore struct {
	droppingLog
	*steps
}

func (l mortalStore) Commit(ctx context.Context, c synckit.Commit) (synckit.Committed, error) {
	if err := l.take(); err != nil {
		return synckit.Committed{}, err
	}
	return l.droppingLog.Commit(ctx, c)
}

func (l mortalStore) Drop(ctx context.Context, aggregate string, ids []string) error {
	if err := l.take(); err != nil {
		return err
	}
	return l.droppingLog.Drop(ctx, aggregate, ids)
}

type mortalTransport struct {
	synckit.PagedTransport
	*steps
}

func (t mortalTransport) Push(ctx context.Context, events []synckit.EventWithVersion) error {
	if err := t.take(); err != nil {
		return err
	}
	return t.PagedTransport.Push(ctx, events)
}

// A process that is killed between any two steps leaves what a later one goes on with.
func TestAKilledCompaction(t *testing.T) {
	t.Parallel()
	finished := false
	for budget := 0; !finished; budget++ {
		hub := newHub(t)
		a, other := newNode(t, hub, synckit.SyncOptions{}), newNode(t, hub, synckit.SyncOptions{})
		a.write("x", "a1", "a2")
		a.sync()
		other.sync()
		left := &steps{budget}
		transport := mortalTransport{memtransport.New("hub", hub), left}
		dying := synckit.NewSyncManager(mortalStore{a.store, left}, transport, nil)
		_, err := dying.Compact(t.Context(), "x", time.Time{}, sum)
		finished = err == nil
		dying.Close()
		if err := transport.Close(); err != nil {
			t.Fatal(err)
		}
		other.sync()
		expect(t, "meanwhile", other.content("x"), "a1 a2")
		other.write("x", "b1")
		other.compact("x")
		a.sync()
		for _, n := range []node{a, other} {
			expect(t, "afterwards", n.content("x"), "a1 a2 b1")
			expect(t, "held", held(t, n.store), "")
		}
		expect(t, "held by the peer", held(t, hub), "")
		if budget > 100 {
			t.Fatal("it has no end")
		}
	}
}

func TestNewEventsAreLeftOut(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	a := newNode(t, hub, synckit.SyncOptions{})
	a.write("x", "a1", "a2")
	entries, err := a.store.Aggregate(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	done, err := a.Compact(t.Context(), "x", synckit.TimeOf(entries[1].Event), sum)
	if err != nil || done.Covered != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	expect(t, "held", held(t, a.store), "a2")
	expect(t, "content", a.content("x"), "a1 a2")
	if done, err = a.Compact(t.Context(), "x", synckit.TimeOf(entries[0].Event), sum); err != nil || done.Covered != 0 {
		t.Errorf("%+v, %v", done, err)
	}
}

// What a resolution decided stays decided, and resolutions about what is gone go as well.
func TestDecisionsAreCompacted(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	options := synckit.SyncOptions{ConflictResolver: resolve.FirstWriteWins{}}
	a, b := newNode(t, hub, options), newNode(t, hub, options)
	a.write("x", "a1")
	b.write("x", "b1")
	a.sync()
	b.sync()
	decisions, err := b.Decisions(t.Context(), "x", 0, 10)
	if err != nil || len(decisions) != 1 {
		t.Fatalf("%v, %v", decisions, err)
	}
	before := b.content("x")
	if done := a.compact("x"); done.Covered != 3 {
		t.Errorf("%+v", done)
	}
	b.sync()
	for _, n := range []node{a, b} {
		expect(t, "content", n.content("x"), before)
		expect(t, "held", held(t, n.store), "")
		if len(resolutionsIn(t, n.store)) > 0 {
			t.Error("there still is a resolution")
		}
	}
	if err := b.RollBack(t.Context(), decisions[0], decisions[0].Superseded); errors.CodeOf(err) != errors.NotFound {
		t.Errorf("roll back: %v", err)
	}
	if listed, err := b.Decisions(t.Context(), "x", 0, 10); err != nil || len(listed) > 0 {
		t.Errorf("listed: %v, %v", listed, err)
	}
}

// A decision stays while something of what it is about does.
func TestADecisionAboutWhatIsLeftOut(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	options := synckit.SyncOptions{ConflictResolver: resolve.FirstWriteWins{}}
	a, b := newNode(t, hub, options), newNode(t, hub, options)
	a.write("x", "a1")
	b.write("x", "b1")
	a.sync()
	b.sync()
	entries, err := b.store.Aggregate(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	lost := slices.IndexFunc(entries, func(e synckit.Entry) bool { return e.Event.ID() == "b1" })
	done, err := a.Compact(t.Context(), "x", synckit.TimeOf(entries[lost].Event), sum)
	if err != nil || done.Covered != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	b.sync()
	for _, n := range []node{a, b} {
		expect(t, "content", n.content("x"), "a1")
		expect(t, "held", held(t, n.store), "b1")
	}
	a.compact("x")
	b.sync()
	for _, n := range []node{a, b} {
		expect(t, "content", n.content("x"), "a1")
	}
}

// A decision about an event that was compacted meanwhile, and one that is new, holds.
func TestADecisionAboutWhatWasCompacted(t *testing.T) {
	t.Parallel()
	for name, resolver := range map[string]synckit.ConflictResolver{
		"the compacted one wins": resolve.FirstWriteWins{}, "the new one wins": resolve.LastWriteWins{},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hub := newHub(t)
			a, b := newNode(t, hub, synckit.SyncOptions{}), newNode(t, hub, synckit.SyncOptions{ConflictResolver: resolver})
			a.write("x", "a1")
			a.sync()
			b.write("x", "b1")
			if _, err := b.Pull(t.Context()); err != nil { // b decides, and is offline from then on
				t.Fatal(err)
			}
			a.compact("x")
			b.sync()
			a.sync()
			want := "a1"
			if strings.HasPrefix(name, "the new") {
				want = "a1 b1" // the snapshot has a1, and b1 counts after it
			}
			for _, n := range []node{a, b} {
				expect(t, "content", n.content("x"), want)
			}
		})
	}
}

// A conflict that waits for a person is decided as ever, though all of it was compacted meanwhile.
func TestAConflictThatWaitsIsCompacted(t *testing.T) {
	t.Parallel()
	for name, keep := range map[string]func(synckit.Review) []synckit.EventWithVersion{
		"for what counts": func(r synckit.Review) []synckit.EventWithVersion {
			return synckit.Effective(slices.Concat(r.Local, r.Remote))
		},
		"for one side": func(r synckit.Review) []synckit.EventWithVersion { return r.Local },
		"for neither":  func(synckit.Review) []synckit.EventWithVersion { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hub := newHub(t)
			a, b := newNode(t, hub, synckit.SyncOptions{}), newNode(t, hub, synckit.SyncOptions{ConflictResolver: resolve.Review{}})
			a.write("x", "a1")
			b.write("x", "b1")
			a.sync()
			b.sync()
			a.compact("x")
			a.write("x", "a2")
			a.sync()
			b.sync()
			r := b.onlyReview()
			if err := b.Decide(t.Context(), r.ID, keep(r)); err != nil {
				t.Fatal(err)
			}
			b.sync()
			a.sync()
			want := map[string]string{"for what counts": "a1 b1 a2", "for one side": "a1 b1", "for neither": "a1 b1"}[name]
			for _, n := range []node{a, b} { // what was compacted is decided, what came since is not
				expect(t, "content", n.content("x"), want)
			}
		})
	}
}

// What comes again after it was compacted counts for nothing.
func TestCompactedEventsThatComeAgain(t *testing.T) {
	t.Parallel()
	hub, second := newHub(t), newHub(t)
	a := newNode(t, hub, synckit.SyncOptions{})
	a.write("x", "a1", "a2")
	a.sync()
	entries, err := a.store.Aggregate(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	old := []synckit.EventWithVersion{entries[0].EventWithVersion, entries[1].EventWithVersion}
	a.compact("x")
	push(t, hub, old...)
	a.sync()
	expect(t, "where they were", held(t, a.store)+held(t, hub), "")

	push(t, second, old...) // a peer restored to before the compaction
	all, err := a.store.Load(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	push(t, second, all...)
	b := newNode(t, second, synckit.SyncOptions{})
	b.sync()
	push(t, second, old...)
	b.sync()
	expect(t, "where they are new", b.content("x"), "a1 a2")
}

func push(t *testing.T, hub synckit.EventStore, events ...synckit.EventWithVersion) {
	t.Helper()
	transport := memtransport.New("hub", hub)
	defer transport.Close()
	if err := transport.Push(t.Context(), events); err != nil {
		t.Fatal(err)
	}
}

// A peer that has lost its log gets the snapshot.
func TestAPeerThatLostItsLogGetsTheSnapshot(t *testing.T) {
	t.Parallel()
	hub, fresh := newHub(t), newHub(t)
	a := newNode(t, hub, synckit.SyncOptions{})
	a.write("x", "a1", "a2")
	a.sync()
	a.compact("x")
	a.write("x", "a3")
	transport := memtransport.New("hub", fresh)
	t.Cleanup(func() { transport.Close() })
	moved := synckit.NewSyncManager(a.store, transport, nil)
	t.Cleanup(func() { moved.Close() })
	if _, err := moved.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := newNode(t, fresh, synckit.SyncOptions{})
	b.sync()
	expect(t, "content", b.content("x"), "a1 a2 a3")
	expect(t, "held", held(t, b.store), "a3")
}

// Where a peer was restored and compacted in two ways, nothing of either is lost.
func TestTwoSnapshotsOfARestoredPeer(t *testing.T) {
	t.Parallel()
	before, restored := newHub(t), newHub(t)
	a, b := newNode(t, before, synckit.SyncOptions{}), newNode(t, before, synckit.SyncOptions{})
	for i := range 10 {
		a.write("x", fmt.Sprint("a", i))
	}
	a.compact("x")
	b.sync()
	for i := range 30 {
		a.write("x", fmt.Sprint("later", i))
	}
	a.compact("x")
	moved := func(n node) node {
		transport := memtransport.New("hub", restored)
		m := synckit.NewSyncManager(n.store, transport, nil)
		t.Cleanup(func() { m.Close(); transport.Close() })
		return node{m, n.store, t}
	}
	b = moved(b)
	b.write("x", "b")
	b.compact("x")
	a = moved(a)
	a.sync()
	b.sync()
	b.compact("x")
	a.sync()
	for _, n := range []node{a, b} {
		counts := strings.Fields(n.content("x"))
		slices.Sort(counts)
		if counts = slices.Compact(counts); len(counts) != 41 {
			t.Errorf("%d of 41 events count", len(counts))
		}
	}
	expect(t, "content", a.content("x"), b.content("x"))
}

func TestALogWithoutPeerIsCompacted(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	a, b := newNode(t, hub, synckit.SyncOptions{}), newNode(t, hub, synckit.SyncOptions{})
	a.write("x", "a1", "a2")
	a.sync()
	b.sync()
	done, err := synckit.CompactLog(t.Context(), hub, "x", time.Time{}, sum)
	if err != nil || done.Covered != 2 {
		t.Fatalf("%+v, %v", done, err)
	}
	expect(t, "held", held(t, hub), "")
	b.write("x", "b1")
	for range 2 {
		a.sync()
		b.sync()
	}
	for _, n := range []node{a, b} {
		expect(t, "content", n.content("x"), "a1 a2 b1")
		expect(t, "held", held(t, n.store), "b1")
	}
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
