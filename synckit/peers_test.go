package synckit_test

import (
	"fmt"
	"strings"
	"testing"

	"syncline/synckit"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/memtransport"
)

// twoHubs is a store that syncs with two peers, each by a manager of its own.
type twoHubs struct {
	one, two node
	lines    [2]*scripted
}

// newTwoHubs has managers that note on which conflicts they were asked, and keep all. Where skipping is
// set they learn what they pushed from the push, and else from the pull after it.
func newTwoHubs(t *testing.T, one, two synckit.EventStore, skipping bool) (b twoHubs, sides *[]string) {
	t.Helper()
	sides = &[]string{}
	options := synckit.SyncOptions{BatchSize: 2, ConflictResolver: resolverFunc(
		func(local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
			*sides = append(*sides, idsOf(local)+" | "+idsOf(remote))
			return append(remote, local...), nil
		})}
	store := memory.New()
	t.Cleanup(func() { store.Close() })
	for i, hub := range []synckit.EventStore{one, two} {
		transport := memtransport.New(fmt.Sprint("hub ", i), hub)
		b.lines[i] = &scripted{PagedTransport: transport}
		named := options
		named.Peer = fmt.Sprint("hub ", i)
		m := synckit.NewSyncManager(store, b.lines[i], &named)
		if skipping {
			m = synckit.NewSyncManager(store, transport, &named)
		}
		t.Cleanup(func() { m.Close(); transport.Close() })
		if i == 0 {
			b.one = node{m, store, t}
		} else {
			b.two = node{m, store, t}
		}
	}
	return b, sides
}

// eachWay runs a test with both ways to learn what a peer holds.
func eachWay(t *testing.T, test func(t *testing.T, skipping bool)) {
	for _, skipping := range []bool{true, false} {
		t.Run(fmt.Sprint("skipping ", skipping), func(t *testing.T) {
			t.Parallel()
			test(t, skipping)
		})
	}
}

// What one peer was seen to hold is in conflict all the same with what was written at another that
// does not.
func TestWhatOnePeerHoldsAnotherDoesNot(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, skipping bool) {
		one, two := newHub(t), newHub(t)
		b, sides := newTwoHubs(t, one, two, skipping)
		a := newNode(t, one, synckit.SyncOptions{})
		b.two.write("x", "b1")
		b.two.sync()
		b.two.sync()
		a.write("x", "a1")
		a.sync()
		check(t, "resolved", b.one.sync().ConflictsResolved, 1)
		check(t, "conflicts", *sides, []string{"b1 | a1"})
		b.one.sync()
		b.two.sync()
		a.sync()
		check(t, "a", a.counts("x"), b.one.counts("x"))
		a.write("x", "a2") // knows all
		a.sync()
		check(t, "resolved", b.one.sync().ConflictsResolved, 0)
	})
}

// What came from one peer and was pushed to another is in conflict with what was written there before
// it arrived, and in none with what was written after.
func TestWhatIsPassedOnIsInConflictUntilItIsSeen(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, skipping bool) {
		one, two := newHub(t), newHub(t)
		b, sides := newTwoHubs(t, one, two, skipping)
		a, d := newNode(t, one, synckit.SyncOptions{}), newNode(t, two, synckit.SyncOptions{})
		d.write("x", "d1")
		d.sync()
		b.two.sync()
		a.write("x", "a1")
		a.sync()
		if _, err := b.one.Push(t.Context()); err != nil {
			t.Fatal(err)
		}
		check(t, "resolved", b.one.sync().ConflictsResolved, 1)
		check(t, "conflicts", *sides, []string{"d1 | a1"})
		a.sync()
		a.write("x", "a2")
		a.sync()
		check(t, "resolved", b.one.sync().ConflictsResolved, 0)
	})
}

// What reached a peer by way of another node is held there, also by a manager that has begun since.
func TestWhatAnotherNodePassedOnIsHeld(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, skipping bool) {
		one, two := newHub(t), newHub(t)
		b, sides := newTwoHubs(t, one, two, skipping)
		d, _ := newTwoHubs(t, one, two, skipping)
		a := newNode(t, one, synckit.SyncOptions{})
		b.two.write("y", "kept") // so that b1 is not the first that is looked for
		b.two.write("x", "b1")
		b.two.sync()
		d.two.sync()
		d.one.sync()
		b.one.pull() // b1 is seen there before it is pushed there
		a.sync()
		a.write("x", "a1")
		a.sync()
		check(t, "resolved", b.one.sync().ConflictsResolved, 0)
		check(t, "conflicts", len(*sides), 0)
		check(t, "pushed", b.one.sync().EventsPushed, 0)
		check(t, "at the peer", logOf(t, one), "kept b1 a1")
	})
}

// pull does nothing else.
func (n node) pull() {
	n.t.Helper()
	if _, err := n.Pull(n.t.Context()); err != nil {
		n.t.Fatal(err)
	}
}

// An event is lost from the end of one peer's log, while the other holds it.
func TestWhatOnePeerLosesIsPushedAgain(t *testing.T) {
	t.Parallel()
	one, two := newHub(t), newHub(t)
	b, _ := newTwoHubs(t, one, two, false)
	b.one.write("x", "b1")
	b.one.sync()
	b.one.sync()
	b.one.write("x", "b2")
	if _, err := b.one.Push(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.two.sync()
	b.two.sync()
	short := shortened(t, one, 1)
	b.lines[0].overHub(t, short)
	check(t, "pushed", b.one.sync().EventsPushed, 1)
	check(t, "at the peer", logOf(t, short), "b1 b2")
	b.one.sync()
	check(t, "pushed later", b.one.sync().EventsPushed, 0)
}

// A peer is restored from a backup. What it has lost it does not know, until it has it again: neither what
// was written here nor what had come from it.
func TestARestoredPeerDoesNotKnowWhatItLost(t *testing.T) {
	t.Parallel()
	for _, mine := range []bool{true, false} {
		t.Run(fmt.Sprint("own ", mine), func(t *testing.T) {
			t.Parallel()
			hub := newHub(t)
			line := newScripted(hub)
			var sides []string
			b := nodeOver(t, line, synckit.SyncOptions{ConflictResolver: resolverFunc(
				func(local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
					sides = append(sides, idsOf(local)+" | "+idsOf(remote))
					return append(local, remote...), nil
				})})
			gone := newNode(t, hub, synckit.SyncOptions{})
			gone.write("x", "first")
			gone.sync()
			b.sync()
			if mine {
				b.write("x", "lost")
				b.sync()
			} else {
				gone.write("x", "lost")
				gone.sync()
			}
			b.sync()
			b.sync()
			restored := newHub(t)
			check(t, "put", restored.Store(t.Context(), newEvent("first", "x"), nil), nil)
			a := newNode(t, restored, synckit.SyncOptions{})
			a.sync()
			a.write("x", "a1")
			a.sync()
			line.overHub(t, restored)
			check(t, "resolved", b.sync().ConflictsResolved, 1)
			check(t, "conflicts", sides, []string{"lost | a1"})
			a.sync()
			a.write("x", "a2")
			a.sync()
			check(t, "resolved", b.sync().ConflictsResolved, 0)
			check(t, "b", b.counts("x"), a.counts("x"))
		})
	}
}

// Stores in a chain, each of which syncs with the next, agree, and a resolver is asked once.
func TestAChainOfPeers(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, skipping bool) {
		hubs := []*memory.Store{newHub(t), newHub(t), newHub(t)}
		left, first := newTwoHubs(t, hubs[0], hubs[1], skipping)
		right, second := newTwoHubs(t, hubs[1], hubs[2], skipping)
		a, z := newNode(t, hubs[0], synckit.SyncOptions{}), newNode(t, hubs[2], synckit.SyncOptions{})
		a.write("x", "a1", "a2", "a3")
		z.write("x", "z1", "z2", "z3")
		for range 5 {
			for _, n := range []node{a, z, left.one, left.two, right.one, right.two} {
				n.sync()
			}
		}
		check(t, "conflicts", append(*first, *second...), []string{"a1 a2 a3 | z1 z2 z3"})
		for _, n := range []node{a, z, left.one, right.one} {
			check(t, "counts", n.counts("x"), a.counts("x"))
			check(t, "events", len(strings.Fields(n.log())), 6)
		}
		for _, n := range []node{left.one, left.two, right.one, right.two} {
			check(t, "pushed later", n.sync().EventsPushed, 0)
		}
	})
}
