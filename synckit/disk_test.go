package synckit_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/storage/memory"
	"syncline/synckit/storage/sqlite"
	"syncline/synckit/transport/memtransport"
)

// fullLog is a log whose disk may be full.
type fullLog struct {
	synckit.Log
	full bool
}

func (l *fullLog) Commit(ctx context.Context, commit synckit.Commit) (synckit.Committed, error) {
	if l.full {
		return synckit.Committed{}, errors.New(errors.StorageFailed, "commit", nil)
	}
	return l.Log.Commit(ctx, commit)
}

// A full disk keeps the peer's events away, and not one's own from the peer.
func TestAFullDiskDoesNotKeepOwnEventsFromThePeer(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	log := &fullLog{Log: memory.New()}
	var pushed []int
	line := newScripted(hub)
	line.push = func(ctx context.Context, events []synckit.EventWithVersion) error {
		pushed = append(pushed, len(events))
		return line.PagedTransport.Push(ctx, events)
	}
	m := synckit.NewSyncManager(log, line, &synckit.SyncOptions{BatchSize: 10})
	defer m.Close()
	numbered(t, "own", 35, func(e synckit.Event) error { return log.Store(t.Context(), e, nil) })
	numbered(t, "peer", 5, func(e synckit.Event) error { return hub.Store(t.Context(), e, nil) })
	log.full = true
	for range 3 {
		_, err := m.Sync(t.Context())
		checkCode(t, err, errors.StorageFailed)
	}
	check(t, "pushed", pushed, []int{10, 10, 10, 5})
	check(t, "at the peer", len(strings.Fields(logOf(t, hub))), 40)
	log.full = false
	r, err := m.Sync(t.Context())
	check(t, "error", err, nil)
	check(t, "pulled", r.EventsPulled, 5)
	again := synckit.NewSyncManager(log, line, &synckit.SyncOptions{BatchSize: 10})
	defer again.Close()
	pushed = nil
	if _, err := again.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(t, "pushed by another manager", len(pushed), 0)
}

// The same with SQLite and a file that cannot grow.
func TestAFullSQLiteFile(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	path := filepath.Join(t.TempDir(), "node.db")
	store, err := sqlite.NewWithDataSource("file:" + path + "?_pragma=max_page_count(200)")
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	transport := memtransport.New("hub", hub)
	m := synckit.NewSyncManager(store, transport, nil)
	defer m.Close()
	body := strings.Repeat("x", 3000)
	written := 0
	for ; err == nil; written++ {
		err = store.Store(t.Context(), synckit.NewEvent(fmt.Sprint("own", written), "Changed", "x", body, nil), nil)
	}
	checkCode(t, err, errors.StorageFailed)
	if err := hub.Store(t.Context(), synckit.NewEvent("peer", "Changed", "x", body, nil), nil); err != nil {
		t.Fatal(err)
	}
	r, err := m.Sync(t.Context())
	checkCode(t, err, errors.StorageFailed)
	check(t, "pushed", r.EventsPushed, written-1)
}

// takeOver is a log of which a copy that ends earlier may take its place, as when a database
// fails and a replica goes on.
type takeOver struct{ fullLog }

func (l *takeOver) shorten(t *testing.T, to int) {
	t.Helper()
	entries, err := l.Read(t.Context(), 0, to)
	if err != nil {
		t.Fatal(err)
	}
	replica := memory.New()
	t.Cleanup(func() { replica.Close() })
	if _, err := replica.Commit(t.Context(), synckit.Commit{Append: entries}); err != nil {
		t.Fatal(err)
	}
	l.Log = replica
}

// What was pushed beyond what the store could keep says nothing about other events that have
// these positions later.
func TestALogThatEndsEarlierLosesNoNewEvents(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	log := &takeOver{fullLog{Log: memory.New()}}
	m := synckit.NewSyncManager(log, newScripted(hub), nil)
	defer m.Close()
	numbered(t, "own", 5, func(e synckit.Event) error { return log.Store(t.Context(), e, nil) })
	log.full = true
	_, err := m.Sync(t.Context())
	checkCode(t, err, errors.StorageFailed)
	log.full = false
	log.shorten(t, 3)
	for _, id := range []string{"new1", "new2"} {
		check(t, "store", log.Store(t.Context(), newEvent(id, "x"), nil), nil)
	}
	if _, err := m.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if at := logOf(t, hub); !strings.HasSuffix(at, "new1 new2") {
		t.Errorf("at the peer: %s", at)
	}
}

// Nor does what a running manager has looked at.
func TestALogThatEndsEarlierHidesNoConflict(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	log := &takeOver{fullLog{Log: memory.New()}}
	m := synckit.NewSyncManager(log, newScripted(hub), &synckit.SyncOptions{ConflictResolver: highest})
	defer m.Close()
	pull := func() *synckit.SyncResult {
		t.Helper()
		r, err := m.Pull(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	numbered(t, "own", 5, func(e synckit.Event) error { return log.Store(t.Context(), e, nil) })
	check(t, "put", hub.Store(t.Context(), newEvent("h1", "elsewhere"), nil), nil)
	pull()
	log.shorten(t, 3)
	check(t, "store", log.Store(t.Context(), newEvent("new", "y"), nil), nil)
	check(t, "put", hub.Store(t.Context(), newEvent("h2", "y"), nil), nil)
	check(t, "conflicts", pull().ConflictsResolved, 1)
}
