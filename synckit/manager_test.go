package synckit_test

import (
	"context"
	"testing"
	"time"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/memtransport"
)

func TestEventsGoBothWays(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	a, b := newNode(t, hub, synckit.SyncOptions{BatchSize: 2}), newNode(t, hub, synckit.SyncOptions{BatchSize: 2})
	a.write("one", "a1", "a2", "a3")
	b.write("two", "b1", "b2")
	check(t, "a pushed", a.sync().EventsPushed, 3)
	r := b.sync()
	check(t, "b pushed", r.EventsPushed, 2)
	check(t, "b pulled", r.EventsPulled, 3)
	check(t, "a pulled", a.sync().EventsPulled, 2)
	check(t, "hub", logOf(t, hub), "a1 a2 a3 b1 b2")
	check(t, "a", a.log(), "a1 a2 a3 b1 b2")
	check(t, "b", b.log(), "b1 b2 a1 a2 a3")
	idle := a.sync()
	check(t, "pushed when idle", idle.EventsPushed, 0)
	check(t, "pulled when idle", idle.EventsPulled, 0)
}

// Where the remote is far ahead of the local log or the reverse, events move all
// the same: each direction has a cursor of its own.
func TestLogsOfVeryDifferentLength(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	for _, e := range []string{"h1", "h2", "h3", "h4", "h5", "h6", "h7", "h8"} {
		if err := hub.Store(t.Context(), newEvent(e, "hub"), nil); err != nil {
			t.Fatal(err)
		}
	}
	a := newNode(t, hub, synckit.SyncOptions{})
	a.write("mine", "a1")
	r := a.sync()
	check(t, "pushed", r.EventsPushed, 1)
	check(t, "pulled", r.EventsPulled, 8)
}

func TestOneWayOnly(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	other := newNode(t, hub, synckit.SyncOptions{})
	other.write("x", "o1")
	other.sync()
	pusher := newNode(t, hub, synckit.SyncOptions{PushOnly: true})
	puller := newNode(t, hub, synckit.SyncOptions{PullOnly: true})
	pusher.write("x", "p1")
	puller.write("x", "q1")
	pusher.sync()
	puller.sync()
	check(t, "pusher", pusher.log(), "p1")
	check(t, "puller", puller.log(), "q1 o1 p1")
	check(t, "hub", logOf(t, hub), "o1 p1")
	if _, err := pusher.Pull(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(t, "pusher after Pull", pusher.log(), "p1 o1")
	if _, err := puller.Push(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(t, "hub after Push", logOf(t, hub), "o1 p1 q1")
}

func TestOnlyWhatPassesTheFilterSyncs(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	options := synckit.SyncOptions{Filter: func(e synckit.Event) bool { return e.AggregateID() == "shared" }}
	a, all := newNode(t, hub, options), newNode(t, hub, synckit.SyncOptions{})
	a.write("private", "a1")
	a.write("shared", "a2")
	all.write("private", "b1")
	all.write("shared", "b2")
	all.sync()
	check(t, "pushed", a.sync().EventsPushed, 1)
	check(t, "a", a.log(), "a1 a2 b2")
	check(t, "hub", logOf(t, hub), "b1 b2 a2")
}

func TestBadOptionsFailEachCall(t *testing.T) {
	t.Parallel()
	store, transport := memory.New(), memtransport.New("hub", memory.New())
	for name, m := range map[string]*synckit.Manager{
		"both directions": synckit.NewSyncManager(store, transport, &synckit.SyncOptions{PushOnly: true, PullOnly: true}),
		"batch":           synckit.NewSyncManager(store, transport, &synckit.SyncOptions{BatchSize: -1}),
		"large batch":     synckit.NewSyncManager(store, transport, &synckit.SyncOptions{BatchSize: 1 << 30}),
		"interval":        synckit.NewSyncManager(store, transport, &synckit.SyncOptions{SyncInterval: -1}),
		"event size":      synckit.NewSyncManager(store, transport, &synckit.SyncOptions{MaxEventBytes: -1}),
		"peer":            synckit.NewSyncManager(store, transport, &synckit.SyncOptions{Peer: string(make([]byte, 256))}),
		"store":           synckit.NewSyncManager(nil, transport, nil),
		"transport":       synckit.NewSyncManager(store, nil, nil),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, call := range []func() error{
				func() error { _, err := m.Sync(t.Context()); return err },
				func() error { _, err := m.Push(t.Context()); return err },
				func() error { _, err := m.Pull(t.Context()); return err },
				func() error { return m.StartAutoSync(t.Context()) },
				m.StopAutoSync,
				func() error { return m.Subscribe(func(*synckit.SyncResult) {}) },
				func() error { _, err := m.Reviews(t.Context(), "", 1); return err },
				func() error { return m.Decide(t.Context(), "x", nil) },
			} {
				checkCode(t, call(), errors.InvalidOptions)
			}
			check(t, "close", m.Close(), nil)
		})
	}
}

func TestSubscribersHearOfEachResultInOrder(t *testing.T) {
	t.Parallel()
	a := newNode(t, newHub(t), synckit.SyncOptions{})
	var heard []int
	subscribe := func(f func(*synckit.SyncResult)) {
		if err := a.Subscribe(f); err != nil {
			t.Fatal(err)
		}
	}
	subscribe(func(*synckit.SyncResult) { panic("a handler's fault") })
	subscribe(func(r *synckit.SyncResult) {
		heard = append(heard, r.EventsPushed)
		if r.EventsPushed == 1 { // syncing in a handler is told of afterwards
			a.write("x", "a2", "a3")
			a.sync()
		}
	})
	var second []int
	subscribe(func(r *synckit.SyncResult) { second = append(second, r.EventsPushed) })
	checkCode(t, a.Subscribe(nil), errors.InvalidOptions)
	a.write("x", "a1")
	a.sync()
	check(t, "results", heard, []int{1, 2})
	check(t, "results of another handler", second, []int{1, 2})
}

func TestClosedManager(t *testing.T) {
	t.Parallel()
	a := newNode(t, newHub(t), synckit.SyncOptions{})
	a.sync()
	check(t, "close", a.Close(), nil)
	check(t, "close again", a.Close(), nil)
	_, err := a.Sync(t.Context())
	checkCode(t, err, errors.Closed)
	checkCode(t, a.StartAutoSync(t.Context()), errors.Closed)
	check(t, "connection", a.Status().Connection, synckit.Unknown)
}

func TestContextEndsACall(t *testing.T) {
	t.Parallel()
	a := newNode(t, newHub(t), synckit.SyncOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Sync(ctx); err == nil {
		t.Error("no error")
	}
	ctx, cancel = context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	_, err := a.Sync(ctx)
	checkCode(t, err, errors.Timeout)
}

func TestBuilder(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	var seen []string
	m, err := synckit.NewSyncManagerBuilder().WithOptions(synckit.SyncOptions{}).
		WithStore(memory.New()).WithTransport(memtransport.New("hub", hub)).
		WithConflictResolver(highest).WithBatchSize(10).WithSyncInterval(time.Minute).
		WithTimeout(time.Second).WithMaxRetryDelay(time.Minute).WithMaxEventBytes(1000).WithPeer("hub").
		WithFilter(func(e synckit.Event) bool { seen = append(seen, e.ID()); return true }).
		WithValidation(func(synckit.Event) error { return nil }).WithMetrics(nil).WithLogger(nil).Build()
	if err != nil {
		t.Fatal(err)
	}
	if err := hub.Store(t.Context(), newEvent("h1", "x"), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(t, "seen by the filter", seen, []string{"h1"})
	for _, b := range []*synckit.SyncManagerBuilder{
		synckit.NewSyncManagerBuilder(),
		synckit.NewSyncManagerBuilder().WithStore(memory.New()),
		synckit.NewSyncManagerBuilder().WithTransport(memtransport.New("hub", hub)),
		synckit.NewSyncManagerBuilder().WithStore(memory.New()).WithTransport(memtransport.New("hub", hub)).WithPushOnly().WithPullOnly(),
	} {
		m, err := b.Build()
		checkCode(t, err, errors.InvalidOptions)
		if m != nil {
			t.Error("a manager in spite of the error")
		}
	}
}
