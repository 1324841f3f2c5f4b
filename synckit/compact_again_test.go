package synckit_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"syncline/synckit"
	"syncline/synckit/transport/memtransport"
)

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
