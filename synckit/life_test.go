package synckit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"syncline/synckit"
	"syncline/synckit/resolve"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/memtransport"
	"syncline/synckit/version"
)

// aggregateReads counts the entries that a log's aggregates are read with.
type aggregateReads struct {
	synckit.Log
	entries int
}

func (l *aggregateReads) Aggregate(ctx context.Context, id string) ([]synckit.Entry, error) {
	entries, err := l.Log.Aggregate(ctx, id)
	l.entries += len(entries)
	return entries, err
}

// To learn that the peer has what was pushed takes an aggregate's size, not its square.
func TestOwnEventsThatComeBackAreReadOnce(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	log := &aggregateReads{Log: memory.New()}
	transport := memtransport.New("hub", hub)
	m := synckit.NewSyncManager(log, transport, &synckit.SyncOptions{ConflictResolver: resolve.LastWriteWins{}})
	defer m.Close()
	numbered(t, "own", 2000, func(e synckit.Event) error { return log.Store(t.Context(), e, nil) })
	for range 3 {
		if _, err := m.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if log.entries > 2000 {
		t.Errorf("%d entries were read of an aggregate of 2000", log.entries)
	}
}

// A program that runs for a few seconds at a time, on a slow line, comes through: it
// knows from its last run what the line carries.
func TestShortSessionsOnASlowLine(t *testing.T) {
	t.Parallel()
	for name, session := range map[string]time.Duration{"cut off": 5 * time.Second, "timed out": time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				hub := newHub(t)
				l := newLine(hub, 2*time.Second)
				store := memory.New()
				numbered(t, "h", 20, func(e synckit.Event) error { return hub.Store(t.Context(), e, nil) })
				numbered(t, "own", 20, func(e synckit.Event) error { return store.Store(t.Context(), e, nil) })
				runs := 0
				for ; runs < 100; runs++ {
					m := synckit.NewSyncManager(store, l, nil)
					ctx, cancel := context.WithTimeout(t.Context(), session)
					_, err := m.Sync(ctx)
					cancel()
					m.Close()
					if err == nil {
						break
					}
				}
				if runs == 100 {
					t.Error("it never comes through")
				}
			})
		})
	}
}

// Two events of one version: their node was restored from a backup, or installed
// anew, between them. Neither knew of the other.
func TestEventsOfOneVersionAreInConflict(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	open := func() (synckit.EventStore, *synckit.Manager) {
		store, err := version.NewVersionedStore(memory.New(), "phone", version.NewVectorClockManager())
		if err != nil {
			t.Fatal(err)
		}
		transport := memtransport.New("hub", hub)
		m := synckit.NewSyncManager(store, transport, &synckit.SyncOptions{ConflictResolver: highest})
		t.Cleanup(func() { m.Close(); transport.Close(); store.Close() })
		return store, m
	}
	before, first := open()
	after, second := open()
	for store, id := range map[synckit.EventStore]string{before: "a", after: "b"} {
		if err := store.Store(t.Context(), newEvent(id, "x"), nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := first.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, err := second.Sync(t.Context())
	if err != nil || r.ConflictsResolved != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	effective, err := second.Effective(t.Context(), "x")
	check(t, "error", err, nil)
	check(t, "counts", idsOf(effective), "b")
}

// A phone is restored from a backup and writes on, before it meets what it had written
// since the backup. That has higher counters, and is yet no sign that its writer knew of
// what the phone has written now; nor are the versions of others who had read it.
func TestEventsOfAnEarlierLifeKnowNothingOfThisOne(t *testing.T) {
	t.Parallel()
	for _, batch := range []int{100, 2, 1} { // in one page, and in several
		hub := newHub(t)
		var sides []string
		record := resolverFunc(func(local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
			sides = append(sides, idsOf(local)+" | "+idsOf(remote))
			return resolve.LastWriteWins{}.Resolve(t.Context(), local, remote)
		})
		open := func(node string, backup synckit.EventStore) (synckit.EventStore, *synckit.Manager) {
			kept := memory.New()
			if backup != nil {
				copyEvents(t, backup, kept)
			}
			store, err := version.NewVersionedStore(kept, node, version.NewVectorClockManager())
			if err != nil {
				t.Fatal(err)
			}
			transport := memtransport.New("hub", hub)
			m := synckit.NewSyncManager(store, transport, &synckit.SyncOptions{ConflictResolver: record, BatchSize: batch})
			t.Cleanup(func() { m.Close(); transport.Close(); store.Close() })
			return store, m
		}
		put := func(store synckit.EventStore, aggregate string, ids ...string) {
			for _, id := range ids {
				if err := store.Store(t.Context(), newEvent(id, aggregate), nil); err != nil {
					t.Fatal(err)
				}
			}
		}
		sync := func(m *synckit.Manager) *synckit.SyncResult {
			r, err := m.Sync(t.Context())
			if err != nil || len(r.Errors) > 0 {
				t.Fatalf("%v, %+v", err, r)
			}
			return r
		}
		before, first := open("phone", nil)
		put(before, "x", "shared")
		sync(first)
		backup := memory.New()
		copyEvents(t, before, backup)
		put(before, "y", "old2")
		put(before, "x", "old3")
		sync(first)
		reader, third := open("laptop", nil)
		sync(third)
		put(reader, "x", "reader")
		sync(third)

		after, second := open("phone", backup)
		put(after, "x", "new")
		r := sync(second)
		check(t, "conflicts", r.ConflictsResolved, 1)
		check(t, "sides", strings.Join(sides, "; "), "new | old3 reader")
		effective, err := second.Effective(t.Context(), "x")
		check(t, "error", err, nil)
		check(t, "what counts", idsOf(effective), "shared new")
		sync(third)
		effective, err = third.Effective(t.Context(), "x")
		check(t, "error", err, nil)
		check(t, "what counts elsewhere", idsOf(effective), "shared new")
		put(after, "x", "newer")
		sync(second)
		check(t, "conflicts afterwards", sync(second).ConflictsResolved, 0)
	}
}

func copyEvents(t *testing.T, from, to synckit.EventStore) {
	t.Helper()
	events, err := from.Load(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if err := to.Store(t.Context(), e.Event, e.Version); err != nil {
			t.Fatal(err)
		}
	}
}

// A ThreeWayMerge knows the state on which both sides build, without being told.
func TestAThreeWayMergeTakesItsBaseFromTheLog(t *testing.T) {
	t.Parallel()
	rules, err := resolve.NewRules(resolve.ThreeWayMerge{}, resolve.Rule{
		Name: "none", When: resolve.EventType("Never"), Then: resolve.ThreeWayMerge{},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		resolver synckit.ConflictResolver
		want     string
	}{
		"by itself": {resolve.ThreeWayMerge{}, `{"a":"new","b":"new"}`},
		"in rules":  {rules, `{"a":"new","b":"new"}`},
		"without":   {resolve.ThreeWayMerge{Base: resolve.NoBase}, `{"a":"old","b":"new"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hub := newHub(t)
			options := synckit.SyncOptions{ConflictResolver: test.resolver}
			a, b := newNode(t, hub, options), newNode(t, hub, options)
			write := func(n node, id string, second int, data string) {
				t.Helper()
				at := fmt.Sprintf("2026-01-01T00:00:%02dZ", second)
				e := synckit.NewEvent(id, "Edited", "x", json.RawMessage(data), map[string]any{"timestamp": at})
				if err := n.store.Store(t.Context(), e, nil); err != nil {
					t.Fatal(err)
				}
			}
			write(a, "base", 0, `{"a":"old","b":"old"}`)
			a.sync()
			b.sync()
			write(a, "a", 1, `{"a":"new","b":"old"}`)
			write(b, "b", 2, `{"a":"old","b":"new"}`)
			a.sync()
			b.sync()
			events, err := b.Effective(t.Context(), "x")
			if err != nil || len(events) != 2 {
				t.Fatalf("%v, %v", idsOf(events), err)
			}
			var merged json.RawMessage
			check(t, "error", synckit.DecodeData(events[1].Event, &merged), nil)
			check(t, "merged", string(merged), test.want)
		})
	}
}
