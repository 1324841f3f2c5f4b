package synckit_test

import (
	stderrors "errors"
	"testing"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/memtransport"
)

func TestTheLaterWriterInThePeersLogResolves(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	a, b := newNode(t, hub, synckit.SyncOptions{ConflictResolver: highest}), newNode(t, hub, synckit.SyncOptions{ConflictResolver: highest})
	a.write("x", "a")
	b.write("x", "b")
	check(t, "a resolved", a.sync().ConflictsResolved, 0)
	check(t, "b resolved", b.sync().ConflictsResolved, 1)
	check(t, "a resolved", a.sync().ConflictsResolved, 0)
	for _, n := range []node{a, b} {
		check(t, "counts", n.counts("x"), "b")
	}
	b.sync()
	check(t, "resolutions", len(resolutionsIn(t, hub)), 1)
}

func TestEventsThatAreConfirmedAreInNoConflict(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	a, b := newNode(t, hub, synckit.SyncOptions{ConflictResolver: highest}), newNode(t, hub, synckit.SyncOptions{ConflictResolver: highest})
	b.write("x", "b")
	b.sync()
	a.sync()
	a.write("x", "a") // knows b
	a.sync()
	check(t, "b resolved", b.sync().ConflictsResolved, 0)
	check(t, "a", a.counts("x"), "b a")
	check(t, "b", b.counts("x"), "b a")
	check(t, "resolutions", len(resolutionsIn(t, hub)), 0)
}

func TestWithoutAResolverAllEventsCount(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	a, b := newNode(t, hub, synckit.SyncOptions{}), newNode(t, hub, synckit.SyncOptions{})
	a.write("x", "a1", "a2")
	b.write("x", "b1", "b2")
	a.sync()
	b.sync()
	a.sync()
	check(t, "a", a.counts("x"), "a1 b1 a2 b2")
	check(t, "b", b.counts("x"), "a1 b1 a2 b2")
}

func TestMergesAreOrdinaryEvents(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	merge := resolverFunc(func(local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
		id := "merge"
		for _, e := range append(remote, local...) {
			id += "-" + e.Event.ID()
		}
		return []synckit.EventWithVersion{{Event: newEvent(id, "x")}}, nil
	})
	options := synckit.SyncOptions{ConflictResolver: merge}
	a, b, c := newNode(t, hub, options), newNode(t, hub, options), newNode(t, hub, options)
	a.write("x", "a")
	b.write("x", "b")
	c.write("x", "c")
	a.sync()
	b.sync()
	c.sync()
	a.sync()
	b.sync()
	for _, n := range []node{a, b, c} {
		check(t, "counts", n.counts("x"), "merge-merge-a-b-c")
	}
	a.write("x", "a2") // after the resolution
	a.sync()
	c.sync()
	check(t, "counts after another write", c.counts("x"), "merge-merge-a-b-c a2")
}

func TestTheResolversOrderCounts(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	localFirst := resolverFunc(func(local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
		return append(local, remote...), nil
	})
	options := synckit.SyncOptions{ConflictResolver: localFirst}
	a, b := newNode(t, hub, options), newNode(t, hub, options)
	a.write("x", "a1", "a2", "a3")
	b.write("x", "b1", "b2")
	a.sync()
	b.sync()
	a.sync()
	check(t, "a", a.counts("x"), "b1 b2 a1 a2 a3")
	check(t, "b", b.counts("x"), "b1 b2 a1 a2 a3")
}

func TestResolverThatFails(t *testing.T) {
	t.Parallel()
	other := newEvent("new", "another aggregate")
	changed := func(e synckit.Event) synckit.Event {
		return synckit.NewEvent(e.ID(), e.Type(), e.AggregateID(), "changed", nil)
	}
	answer := func(events ...synckit.Event) resolverFunc {
		return func(_, _ []synckit.EventWithVersion) (answer []synckit.EventWithVersion, _ error) {
			for _, e := range events {
				answer = append(answer, synckit.EventWithVersion{Event: e})
			}
			return answer, nil
		}
	}
	for name, resolver := range map[string]resolverFunc{
		"error": func(_, _ []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
			return nil, stderrors.New("no idea")
		},
		"panic":             func(_, _ []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) { panic("no idea") },
		"no event":          answer(nil),
		"invalid event":     answer(newEvent("", "x")),
		"twice the same":    answer(newEvent("new", "x"), newEvent("new", "x")),
		"another aggregate": answer(other),
		"reserved type":     answer(synckit.NewEvent("new", "synckit.mine", "x", nil, nil)),
		"too large":         answer(synckit.NewEvent("new", "Changed", "x", make([]byte, 2000), nil)),
		"changed event": func(local, _ []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
			return []synckit.EventWithVersion{{Event: changed(local[0].Event)}}, nil
		},
		"taken id": answer(synckit.NewEvent("old", "Changed", "x", "other content", nil)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hub := newHub(t)
			a := newNode(t, hub, synckit.SyncOptions{})
			b := newNode(t, hub, synckit.SyncOptions{ConflictResolver: resolver, MaxEventBytes: 1000})
			a.write("x", "old")
			a.sync()
			b.sync()
			a.write("x", "a")
			a.sync()
			b.write("x", "b")
			_, err := b.Sync(t.Context())
			checkCode(t, err, errors.ConflictFailed)
			check(t, "log", b.log(), "old b")
			check(t, "hub: what goes is not held up", logOf(t, hub), "old a b")
			check(t, "connection", b.Status().Connection, synckit.Online)
		})
	}
}

// What the peer is known to hold takes part in no conflict, though a newer event
// of the same aggregate does. It does not matter what kind of store it is in.
func TestOnlyUnconfirmedEventsTakePart(t *testing.T) {
	t.Parallel()
	for name, store := range map[string]synckit.EventStore{"log": memory.New(), "custom store": &customStore{}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hub := newHub(t)
			other := newNode(t, hub, synckit.SyncOptions{})
			var locals []string
			m := synckit.NewSyncManager(store, memtransport.New("hub", hub), &synckit.SyncOptions{ConflictResolver: resolverFunc(
				func(local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
					locals = append(locals, idsOf(local))
					return append(local, remote...), nil
				})})
			for i, id := range []string{"old", "new"} {
				if i == 1 {
					other.write("x", "theirs")
					other.sync()
				}
				if err := store.Store(t.Context(), newEvent(id, "x"), number(1)); err != nil {
					t.Fatal(err)
				}
				for range 2 - i { // the second sync brings the echo
					if _, err := m.Sync(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			}
			check(t, "local sides", locals, []string{"new"})
		})
	}
}

// A resolution stands after all that it decides and what it could make, so that
// it outweighs what was decided before. Its clock follows from these alone: nodes
// that decide the same write the same.
func TestResolutionsHaveClocksOfTheirOwn(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	a, b := newNode(t, hub, synckit.SyncOptions{}), newNode(t, hub, synckit.SyncOptions{ConflictResolver: highest})
	a.write("x", "a1", "a2")
	b.write("x", "b")
	a.sync()
	b.sync()
	events, err := hub.Load(t.Context(), nil)
	check(t, "error", err, nil)
	last := events[len(events)-1].Event
	check(t, "type", last.Type(), synckit.ResolutionType)
	check(t, "clock", synckit.ClockOf(last), 4)
}

// A resolver that picks a fixed side decides differently on two nodes; they end
// up with one of the decisions all the same.
func TestNodesThatDecideDifferently(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	mine := resolverFunc(func(local, _ []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) { return local, nil })
	options := synckit.SyncOptions{ConflictResolver: mine}
	a, b, c := newNode(t, hub, options), newNode(t, hub, options), newNode(t, hub, options)
	a.write("x", "a")
	b.write("x", "b")
	c.write("x", "c")
	for range 3 {
		a.sync()
		b.sync()
		c.sync()
	}
	check(t, "a", a.counts("x"), "c")
	check(t, "b", b.counts("x"), "c")
	check(t, "c", c.counts("x"), "c")
}

// What the app writes while a page is being decided is part of the decision.
func TestWritesDuringAResolutionTakePart(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	a := newNode(t, hub, synckit.SyncOptions{})
	a.write("x", "a")
	a.sync()
	var b node
	var locals []string
	b = newNode(t, hub, synckit.SyncOptions{ConflictResolver: resolverFunc(
		func(local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
			locals = append(locals, idsOf(local))
			if len(locals) == 1 {
				b.write("x", "b2")
			}
			return highest(local, remote)
		})})
	b.write("x", "b1")
	check(t, "resolved", b.sync().ConflictsResolved, 1)
	check(t, "local sides", locals, []string{"b1", "b1 b2"})
	check(t, "counts", b.counts("x"), "b2")
}

func TestConflictsWithALongBacklog(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	options := synckit.SyncOptions{ConflictResolver: highest, BatchSize: 3}
	a, b := newNode(t, hub, options), newNode(t, hub, options)
	for i := range 20 {
		a.write("x", "a"+string(rune('a'+i)))
		b.write("x", "b"+string(rune('a'+i)))
	}
	for range 3 {
		a.sync()
		b.sync()
	}
	check(t, "a", a.counts("x"), b.counts("x"))
	check(t, "b", b.counts("x"), "bt")
}
