package synckit_test

import (
	"context"
	stderrors "errors"
	"fmt"
	"testing"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/resolve"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/memtransport"
)

// tallying counts the events that come back from a peer.
type tallying struct {
	synckit.SkippingTransport
	pulled int
}

func (t *tallying) PullPage(ctx context.Context, since string, limit int) (synckit.Page, error) {
	page, err := t.SkippingTransport.PullPage(ctx, since, limit)
	t.pulled += len(page.Events)
	return page, err
}

type memoryLog = synckit.Log

// readingLog counts the entries that are read from a log.
type readingLog struct {
	memoryLog
	read int
}

func (l *readingLog) Read(ctx context.Context, after synckit.Position, limit int) ([]synckit.Entry, error) {
	entries, err := l.memoryLog.Read(ctx, after, limit)
	l.read += len(entries)
	return entries, err
}

func (l *readingLog) Aggregate(ctx context.Context, id string) ([]synckit.Entry, error) {
	entries, err := l.memoryLog.Aggregate(ctx, id)
	l.read += len(entries)
	return entries, err
}

// Own events are not pulled back, and each is read from the own log a few times, however
// many one aggregate has. Then the peer is known to hold them: what is written by somebody
// who has read them is in no conflict with them.
func TestOwnEventsAreNotPulledBack(t *testing.T) {
	t.Parallel()
	const many = 20_000
	hub, log := newHub(t), &readingLog{memoryLog: memory.New()}
	asked := &counting{ConflictResolver: resolve.LastWriteWins{}}
	transport := &tallying{SkippingTransport: memtransport.New("hub", hub)}
	options := &synckit.SyncOptions{ConflictResolver: asked, BatchSize: 500}
	m := synckit.NewSyncManager(log, transport, options)
	t.Cleanup(func() { m.Close(); transport.Close(); log.Close() })
	entries := make([]synckit.Entry, many)
	for i := range entries {
		entries[i].Event = newEvent(fmt.Sprintf("a%05d", i), "x")
	}
	if _, err := log.Commit(t.Context(), synckit.Commit{Append: entries}); err != nil {
		t.Fatal(err)
	}
	sync := func(m *synckit.Manager) *synckit.SyncResult {
		r, err := m.Sync(t.Context())
		if err != nil || len(r.Errors) > 0 {
			t.Fatalf("sync: %v, %v", err, r.Errors)
		}
		return r
	}
	check(t, "pushed", sync(m).EventsPushed, many)
	check(t, "pulled", sync(m).EventsPulled, 0)
	check(t, "came back", transport.pulled, 0)
	if log.read > 3*many {
		t.Errorf("%d entries were read", log.read)
	}
	log.read = 0
	b := newNode(t, hub, synckit.SyncOptions{})
	b.sync()
	b.write("x", "b")
	b.sync()
	other := synckit.NewSyncManager(log, transport, options) // as after a restart
	t.Cleanup(func() { other.Close() })
	check(t, "pulled", sync(other).EventsPulled, 1)
	check(t, "came back", transport.pulled, 1)
	check(t, "conflicts", asked.asked, []string(nil))
	if log.read > 5 { // it, and those that tell whether the log is still the same
		t.Errorf("%d entries were read for one event", log.read)
	}
}

// Where a peer cannot leave out own events, the aggregate is not read again for each page of them.
func TestEchoesAreComparedWithOneReading(t *testing.T) {
	t.Parallel()
	const many = 5_000
	hub, log := newHub(t), &readingLog{memoryLog: memory.New()}
	transport := newScripted(hub) // which cannot skip
	m := synckit.NewSyncManager(log, transport, &synckit.SyncOptions{ConflictResolver: resolve.LastWriteWins{}})
	t.Cleanup(func() { m.Close(); transport.Close(); log.Close() })
	entries := make([]synckit.Entry, many)
	for i := range entries {
		entries[i].Event = newEvent(fmt.Sprintf("a%05d", i), "x")
	}
	if _, err := log.Commit(t.Context(), synckit.Commit{Append: entries}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second pulls what the first has pushed
		if r, err := m.Sync(t.Context()); err != nil || r.EventsPulled > 0 || len(r.Errors) > 0 {
			t.Fatalf("sync: %+v, %v", r, err)
		}
	}
	if log.read > 4*many+10 { // and those that tell whether the log is still the same
		t.Errorf("%d entries were read", log.read)
	}
}

// What another node has pushed between is pulled, with the own events that stand behind
// it, and what neither knew of is in conflict.
func TestWhatOthersPushBetweenIsPulled(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	transport := &tallying{SkippingTransport: memtransport.New("hub", hub)}
	a := nodeOver(t, transport, synckit.SyncOptions{ConflictResolver: highest, BatchSize: 2})
	b := newNode(t, hub, synckit.SyncOptions{})
	a.write("x", "a1", "a2", "a3")
	a.sync()
	b.write("x", "b1")
	if _, err := b.Push(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.write("x", "a4", "a5", "a6")
	a.write("y", "a7")
	if _, err := a.Push(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := a.sync()
	check(t, "pulled", r.EventsPulled, 1)
	check(t, "came back", transport.pulled, 1+1+4) // the first tells the push that the log is still the same
	check(t, "conflicts", r.ConflictsResolved, 1)
	check(t, "a", a.counts("x"), "a1 b1 a2 a3")
	for range 2 {
		b.sync()
		a.sync()
	}
	check(t, "b", b.counts("x"), "a1 b1 a2 a3")
	check(t, "came back later", transport.pulled, 6)
}

// What the filter keeps here is still in conflict with what comes, though all that was
// sent with it was passed over.
func TestWhatIsNotSentStaysPending(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	transport := &tallying{SkippingTransport: memtransport.New("hub", hub)}
	a := nodeOver(t, transport, synckit.SyncOptions{ConflictResolver: highest, Filter: func(e synckit.Event) bool { return e.ID() != "draft" }})
	a.write("warm", "w") // so that it watches what is written
	b := newNode(t, hub, synckit.SyncOptions{})
	b.write("warm", "v")
	b.sync()
	a.sync()
	transport.pulled = 0
	a.write("x", "a1", "draft", "a2")
	a.sync()
	b.sync()
	b.write("x", "e")
	b.sync()
	check(t, "conflicts", a.sync().ConflictsResolved, 1)
	check(t, "x", a.counts("x"), "a1 a2 e")
}

// While a conflict waits for a resolver that failed, own events of it come back: what
// was written by somebody who has read them is in no conflict with them.
func TestWhatIsPushedWhileAConflictIsStaged(t *testing.T) {
	t.Parallel()
	for _, pushes := range []string{"the manager that has staged it", "one that comes later", "one that was there before"} {
		hub := newHub(t)
		fails, asked := true, &counting{ConflictResolver: highest}
		options := synckit.SyncOptions{BatchSize: 3, ConflictResolver: resolverFunc(func(local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
			if fails {
				return nil, stderrors.New("no idea")
			}
			return asked.Resolve(t.Context(), local, remote)
		})}
		a, b := newNode(t, hub, synckit.SyncOptions{}), newNode(t, hub, options)
		a.write("x", "a0", "a1", "a2", "a3", "a4")
		before := b.another(hub, options.ConflictResolver)
		before.sync() // so that it knows of what waits
		a.sync()
		b.write("x", "b")
		_, err := b.Pull(t.Context())
		checkCode(t, err, errors.ConflictFailed)
		switch pushes {
		case "one that comes later":
			b = b.another(hub, options.ConflictResolver)
		case "one that was there before":
			b = before
		}
		r, err := b.Push(t.Context())
		check(t, "pushing", err, nil)
		check(t, "pushed", r.EventsPushed, 1)
		a.sync()
		a.write("x", "after")
		a.sync()
		fails = false
		check(t, "conflicts", b.sync().ConflictsResolved, 1)
		check(t, "asked", asked.asked, []string{"1 against 5"})
		a.sync()
		check(t, "a", a.counts("x"), "b after")
		check(t, "b", b.counts("x"), "b after")
	}
}
