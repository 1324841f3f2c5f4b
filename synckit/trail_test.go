package synckit_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/resolve"
	"syncline/synckit/storage/sqlite"
	"syncline/synckit/transport/memtransport"
	"syncline/synckit/version"
)

// clash has two nodes write to an aggregate, and the second decide.
func clash(t *testing.T, decides, other node, aggregate, own, others string) {
	t.Helper()
	decides.write(aggregate, strings.Fields(own)...)
	other.write(aggregate, strings.Fields(others)...)
	other.sync()
	check(t, "conflicts", decides.sync().ConflictsResolved, 1)
}

func decisions(t *testing.T, m *synckit.Manager, aggregate string) []synckit.Decision {
	t.Helper()
	found, err := m.Decisions(t.Context(), aggregate, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func show(d synckit.Decision) string {
	return fmt.Sprintf("%s: %q against %q: kept %q, not %q; stands %t, here %t, person %t, by %s %q (%s)", d.AggregateID,
		idsOf(d.Local), idsOf(d.Remote), idsOf(d.Kept), idsOf(d.Superseded), d.Stands, d.Here, d.Person, d.Reason.Resolver, d.Reason.Rule, d.Reason.Why)
}

func TestWhoWonAndWhyIsKept(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	rules, err := resolve.NewRules(resolve.LastWriteWins{}, resolve.Rule{
		Name: "x is additive", When: resolve.Aggregate("x"), Then: highest,
	})
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	a := newNode(t, hub, synckit.SyncOptions{ConflictResolver: rules})
	b := newNode(t, hub, synckit.SyncOptions{ConflictResolver: rules})
	clash(t, a, b, "x", "a1 a2", "b1")
	clash(t, a, b, "y", "a3", "b3")
	found := decisions(t, a.Manager, "x")
	if len(found) != 1 {
		t.Fatalf("decisions about x: %v", found)
	}
	check(t, "decision", show(found[0]), `x: "a1 a2" against "b1": kept "b1", not "a1 a2"; stands true, here true, person false, `+
		`by synckit_test.resolverFunc "x is additive" (aggregate matches "x")`)
	check(t, "peer", found[0].Peer, "hub")
	if found[0].At.Before(begun) || found[0].At.After(time.Now()) {
		t.Errorf("decided at %v", found[0].At)
	}
	var was map[string]string
	if err := synckit.DecodeData(found[0].Superseded[0].Event, &was); err != nil || was["by"] != "a1" {
		t.Errorf("what lost: %v, %v", was, err)
	}
	b.sync()
	elsewhere := decisions(t, b.Manager, "x")
	check(t, "at the other node", show(elsewhere[0]),
		`x: "" against "a1 b1 a2": kept "b1", not "a1 a2"; stands true, here false, person false, by  "" ()`)

	all, err := a.Decisions(t.Context(), "", 0, 100)
	check(t, "error", err, nil)
	check(t, "of all aggregates", len(all), 2)
	first, err := a.Decisions(t.Context(), "", 0, 1)
	check(t, "error", err, nil)
	rest, err := a.Decisions(t.Context(), "", first[0].Position, 100)
	check(t, "error", err, nil)
	check(t, "page by page", first[0].ID+" "+rest[0].ID, all[0].ID+" "+all[1].ID)
	check(t, "after the last", len(decisionsAfter(t, a.Manager, "x", found[0].Position)), 0)
	if why := all[1].Reason; why.Resolver != "resolve.LastWriteWins" || why.Rule != "" || why.Why != "no rule holds" {
		t.Errorf("the fallback's reason: %+v", why)
	}
}

func decisionsAfter(t *testing.T, m *synckit.Manager, aggregate string, after synckit.Position) []synckit.Decision {
	t.Helper()
	found, err := m.Decisions(t.Context(), aggregate, after, 100)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestAPersonsDecisionIsKept(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	a := newNode(t, hub, synckit.SyncOptions{ConflictResolver: toPerson})
	b := newNode(t, hub, synckit.SyncOptions{})
	a.write("x", "a1")
	b.write("x", "b1")
	b.sync()
	a.sync()
	review := a.onlyReview()
	if err := a.Decide(t.Context(), review.ID, review.Local); err != nil {
		t.Fatal(err)
	}
	found := decisions(t, a.Manager, "x")
	check(t, "decisions", len(found), 1)
	check(t, "decision", show(found[0]), `x: "a1" against "b1": kept "a1", not "b1"; stands true, here true, person true, by  "" ()`)
}

// A decision that is too large for one event is one decision.
func TestADecisionInParts(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	a := newNode(t, hub, synckit.SyncOptions{ConflictResolver: highest})
	b := newNode(t, hub, synckit.SyncOptions{})
	name := strings.Repeat("n", 200)
	for i := range 300 {
		a.write("x", fmt.Sprintf("a%03d%s", i, name))
	}
	b.write("x", "b1")
	b.sync()
	a.sync()
	found := decisions(t, a.Manager, "x")
	check(t, "decisions", len(found), 1)
	check(t, "sides", fmt.Sprint(len(found[0].Local), len(found[0].Remote), len(found[0].Superseded)), "300 1 300")
	all := decisions(t, a.Manager, "")
	check(t, "of all", len(all), 1)
}

// watchesDecisions is told of decisions.
type watchesDecisions struct {
	watcher
	mu   sync.Mutex
	told []synckit.Decision
}

func (w *watchesDecisions) Decided(_ context.Context, d synckit.Decision) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = append(w.told, d)
}

func TestAnObserverIsToldOfDecisions(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	w := &watchesDecisions{}
	a := newNode(t, hub, synckit.SyncOptions{ConflictResolver: highest, Observer: w})
	b := newNode(t, hub, synckit.SyncOptions{})
	clash(t, a, b, "x", "a1", "b1")
	check(t, "told", len(w.told), 1)
	listed := decisions(t, a.Manager, "x")
	check(t, "what was told", show(w.told[0]), show(listed[0]))
	check(t, "its id", w.told[0].ID, listed[0].ID)
	if err := a.RollBack(t.Context(), w.told[0], w.told[0].Local); err != nil {
		t.Fatal(err)
	}
	check(t, "told of the roll back", len(w.told), 2)
	check(t, "what it undoes", w.told[1].RollsBack, listed[0].ID)
}

func TestReplay(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	a := newNode(t, hub, synckit.SyncOptions{ConflictResolver: highest})
	b := newNode(t, hub, synckit.SyncOptions{})
	clash(t, a, b, "x", "a1", "b1")
	d := decisions(t, a.Manager, "x")[0]
	lowest := resolverFunc(func(local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) { return local, nil })
	for name, test := range map[string]struct {
		resolver synckit.ConflictResolver
		kept     string
		differs  bool
		fails    bool
	}{
		"the same one":    {highest, "b1", false, false},
		"another":         {lowest, "a1", true, false},
		"a person":        {toPerson, "", true, true},
		"one of a store":  {resolve.ThreeWayMerge{}, "*", true, false},
		"one that panics": {resolverFunc(func(_, _ []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) { panic("x") }), "", true, true},
	} {
		r, err := a.Replay(t.Context(), d, test.resolver)
		check(t, name+": error", err, nil)
		check(t, name+": differs", r.Differs, test.differs)
		check(t, name+": fails", r.Err != nil, test.fails)
		if test.kept != "*" {
			check(t, name, idsOf(r.Kept), test.kept)
		}
	}
	check(t, "nothing is changed", a.counts("x"), "b1")
	b.sync()
	_, err := b.Replay(t.Context(), decisions(t, b.Manager, "x")[0], highest)
	checkCode(t, err, errors.Unsupported)
	_, err = a.Replay(t.Context(), d, nil)
	checkCode(t, err, errors.InvalidOptions)
}

// state is what counts, by what the events say.
func (n node) state(aggregate string) string {
	n.t.Helper()
	events, err := synckit.LoadEffective(n.t.Context(), n.store, aggregate)
	if err != nil {
		n.t.Fatal(err)
	}
	said := []string{}
	for _, e := range events {
		var data map[string]string
		if err := synckit.DecodeData(e.Event, &data); err != nil {
			n.t.Fatal(err)
		}
		said = append(said, data["by"])
	}
	return strings.Join(said, " ")
}

func TestRollBackConvergesOnAllNodes(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	options := synckit.SyncOptions{ConflictResolver: highest}
	a, b, late := newNode(t, hub, options), newNode(t, hub, options), newNode(t, hub, options)
	clash(t, a, b, "x", "a1 a2", "b1")
	b.sync()
	check(t, "before", b.state("x"), "b1")
	b.write("x", "b2") // builds on what was decided
	b.sync()
	a.sync()
	d := decisions(t, a.Manager, "x")[0]
	before := a.log()
	if err := a.RollBack(t.Context(), d, d.Local); err != nil {
		t.Fatal(err)
	}
	check(t, "history stays", strings.HasPrefix(a.log(), before), true)
	for _, n := range []node{a, b, late, a} {
		n.sync()
	}
	for name, n := range map[string]node{"a": a, "b": b, "late": late} {
		check(t, name, sorted(n.state("x")), "a1 a2 b2")
		check(t, name+" as a", n.counts("x"), a.counts("x"))
	}
	all := decisions(t, b.Manager, "x")
	check(t, "decisions", len(all), 2)

	// The roll back is rolled back: what it undid counts again.
	undone := decisions(t, a.Manager, "x")[1]
	check(t, "it names what it undoes", undone.RollsBack, d.ID)
	if err := a.RollBack(t.Context(), undone, undone.Local); err != nil {
		t.Fatal(err)
	}
	for _, n := range []node{a, b, late} {
		n.sync()
		check(t, "again", sorted(n.state("x")), "b1 b2")
	}
}

func sorted(text string) string {
	return strings.Join(slices.Sorted(slices.Values(strings.Fields(text))), " ")
}

// Two nodes that roll the same decision back, without knowing of one another, write the same
// if they know the same, and agree in any case.
func TestTwoNodesRollTheSameBack(t *testing.T) {
	t.Parallel()
	for _, apart := range []bool{false, true} {
		t.Run(fmt.Sprintf("other events: %t", apart), func(t *testing.T) {
			t.Parallel()
			rollTheSameBack(t, apart)
		})
	}
}

func rollTheSameBack(t *testing.T, apart bool) {
	t.Helper()
	hub := newHub(t)
	options := synckit.SyncOptions{ConflictResolver: highest}
	a, b := newNode(t, hub, options), newNode(t, hub, options)
	clash(t, a, b, "x", "a1", "b1")
	b.sync()
	if apart {
		b.write("x", "b2")
	}
	for _, n := range []node{a, b} {
		d := decisions(t, n.Manager, "x")[0]
		if err := n.RollBack(t.Context(), d, d.Superseded); err != nil {
			t.Fatal(err)
		}
	}
	a.sync()
	b.sync()
	a.sync()
	b.sync()
	check(t, "restored once", strings.Count(a.state("x"), "a1"), 1)
	check(t, "what lost again", strings.Contains(a.state("x"), "b1"), false)
	check(t, "b", b.counts("x"), a.counts("x"))
	if !apart {
		check(t, "logs hold it once", len(strings.Fields(a.log())), 3)
	}
}

func TestWhatCannotBeRolledBack(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	a := newNode(t, hub, synckit.SyncOptions{ConflictResolver: highest})
	b := newNode(t, hub, synckit.SyncOptions{})
	clash(t, a, b, "x", "a1", "b1")
	d := decisions(t, a.Manager, "x")[0]
	stranger := []synckit.EventWithVersion{{Event: newEvent("stranger", "x")}}
	checkCode(t, a.RollBack(t.Context(), d, stranger), errors.InvalidEvent)
	checkCode(t, a.RollBack(t.Context(), d, make([]synckit.EventWithVersion, 1)), errors.InvalidEvent)
	checkCode(t, a.RollBack(t.Context(), synckit.Decision{ID: "none", AggregateID: "x"}, nil), errors.NotFound)
	check(t, "nothing is changed", a.counts("x"), "b1")
	if err := a.RollBack(t.Context(), d, d.Local); err != nil {
		t.Fatal(err)
	}
	checkCode(t, a.RollBack(t.Context(), d, d.Local), errors.Outdated)
	check(t, "once", a.state("x"), "a1")
}

// Why a node decided outlives the process, in each store.
func TestTheTrailOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, open := range map[string]func() (synckit.EventStore, error){
		"sqlite": func() (synckit.EventStore, error) {
			return sqlite.New(&sqlite.Config{DataSourceName: filepath.Join(dir, "events.db")})
		},
		"versions": func() (synckit.EventStore, error) {
			store, err := sqlite.New(&sqlite.Config{DataSourceName: filepath.Join(dir, "versioned.db")})
			if err != nil {
				return nil, err
			}
			return version.NewVersionedStore(store, "phone", version.NewVectorClockManager())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hub := newHub(t)
			if err := hub.Store(t.Context(), newEvent("b1", "x"), nil); err != nil {
				t.Fatal(err)
			}
			var before string
			for run := range 2 {
				store, err := open()
				if err != nil {
					t.Fatal(err)
				}
				m := synckit.NewSyncManager(store, memtransport.New("hub", hub), &synckit.SyncOptions{ConflictResolver: highest})
				if run == 0 {
					if err := store.Store(t.Context(), newEvent("a1", "x"), nil); err != nil {
						t.Fatal(err)
					}
					if _, err := m.Sync(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				found := decisions(t, m, "")
				check(t, "decisions", len(found), 1)
				now := show(found[0])
				if run == 1 {
					check(t, "after a restart", now, before)
				}
				before = now
				m.Close()
				store.Close()
			}
			if !strings.Contains(before, `"a1" against "b1"`) {
				t.Errorf("sides: %s", before)
			}
		})
	}
}

// Who restores nothing would have neither side count.
func TestARollBackRestoresSomething(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	options := synckit.SyncOptions{ConflictResolver: highest}
	a, b := newNode(t, hub, options), newNode(t, hub, options)
	clash(t, a, b, "x", "a1", "b1")
	b.sync()
	before := b.log()
	d := decisions(t, b.Manager, "x")[0] // a's: here it has no Local
	checkCode(t, b.RollBack(t.Context(), d, d.Local), errors.InvalidEvent)
	checkCode(t, b.RollBack(t.Context(), d, d.Kept), errors.InvalidEvent)
	check(t, "nothing is written", b.log(), before)
	check(t, "what counts", b.counts("x"), "b1")
	if err := b.RollBack(t.Context(), d, d.Superseded); err != nil {
		t.Fatal(err)
	}
	check(t, "what counts then", b.state("x"), "a1")
}

// A decision that no event counts is undone once, as others are.
func TestADecisionThatKeptNothingIsRolledBack(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	a := newNode(t, hub, synckit.SyncOptions{ConflictResolver: toPerson})
	b := newNode(t, hub, synckit.SyncOptions{})
	a.write("x", "a1")
	b.write("x", "b1")
	b.sync()
	a.sync()
	if err := a.Decide(t.Context(), a.onlyReview().ID, nil); err != nil {
		t.Fatal(err)
	}
	check(t, "nothing counts", a.counts("x"), "")
	d := decisions(t, a.Manager, "x")[0]
	if err := a.RollBack(t.Context(), d, d.Local); err != nil {
		t.Fatal(err)
	}
	checkCode(t, a.RollBack(t.Context(), d, d.Local), errors.Outdated)
	check(t, "once", a.state("x"), "a1")
	check(t, "it is listed", decisions(t, a.Manager, "x")[1].RollsBack, d.ID)
	a.sync()
	b.sync()
	check(t, "b", b.counts("x"), a.counts("x"))
}

// shared is a store that another process writes to after an aggregate was read, once.
type shared struct {
	synckit.Log
	meanwhile func()
}

func (s *shared) Aggregate(ctx context.Context, aggregateID string) ([]synckit.Entry, error) {
	entries, err := s.Log.Aggregate(ctx, aggregateID)
	if then := s.meanwhile; then != nil {
		s.meanwhile = nil
		then()
	}
	return entries, err
}

func TestARollBackKnowsWhatOthersWroteMeanwhile(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	a := newNode(t, hub, synckit.SyncOptions{ConflictResolver: highest})
	b := newNode(t, hub, synckit.SyncOptions{})
	clash(t, a, b, "x", "a1 a3", "b1")
	clash(t, a, b, "y", "a2", "b2")
	store := &shared{Log: a.store}
	other := synckit.NewSyncManager(store, memtransport.New("hub", hub), nil)
	defer other.Close()

	x, y := decisions(t, a.Manager, "x")[0], decisions(t, a.Manager, "y")[0]
	store.meanwhile = func() {
		if err := a.RollBack(t.Context(), x, x.Local[:1]); err != nil {
			t.Error(err)
		}
	}
	checkCode(t, other.RollBack(t.Context(), x, x.Local), errors.Outdated)
	check(t, "decided once", a.state("x"), "a1")

	store.meanwhile = func() { a.write("y", "later") }
	if err := other.RollBack(t.Context(), y, y.Local); err != nil {
		t.Fatal(err)
	}
	check(t, "after what came meanwhile", a.state("y"), "later a2")
}

// A roll-back is one commit, which no store need take above a size.
func TestARollBackIsBounded(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	a := newNode(t, hub, synckit.SyncOptions{ConflictResolver: highest})
	b := newNode(t, hub, synckit.SyncOptions{})
	for i := range 1000 {
		a.write("x", fmt.Sprintf("a%04d", i))
	}
	b.write("x", "b1")
	b.sync()
	a.sync()
	d := decisions(t, a.Manager, "x")[0]
	checkCode(t, a.RollBack(t.Context(), d, d.Local), errors.TooLarge)
	check(t, "nothing is changed", a.counts("x"), "b1")
	if err := a.RollBack(t.Context(), d, d.Local[:900]); err != nil {
		t.Fatal(err)
	}
	check(t, "as many as there can be", len(strings.Fields(a.counts("x"))), 900)
}

// unreachable is a transport whose Check waits for a peer that does not answer.
type unreachable struct {
	synckit.PagedTransport
	asked int
}

func (u *unreachable) Check(ctx context.Context, _ synckit.EventWithVersion) error {
	u.asked++
	<-ctx.Done()
	return ctx.Err()
}

// A decision of many events, made offline with such a transport, takes no longer than one of a
// single event.
func TestADecisionDoesNotWaitForEachOfItsEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub := newHub(t)
		offline := &unreachable{PagedTransport: memtransport.New("hub", hub)}
		b := newNode(t, hub, synckit.SyncOptions{})
		a := nodeOver(t, offline, synckit.SyncOptions{Timeout: 3 * time.Second, ConflictResolver: highest})
		var own []string
		for i := range 200 {
			own = append(own, fmt.Sprintf("a%03d", i))
		}
		a.write("x", own...)
		b.write("x", "b")
		b.sync()
		a.sync()
		d := decisions(t, a.Manager, "x")[0]
		before := time.Now()
		check(t, "rolled back", a.RollBack(t.Context(), d, d.Local), nil)
		check(t, "took", time.Since(before), 3*time.Second)
	})
}
