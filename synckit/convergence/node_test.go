package convergence

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"syncline/synckit"
	"syncline/synckit/storage/badger"
	"syncline/synckit/storage/redis"
	"syncline/synckit/version"
)

// node is a device with a store on disk.
type node struct {
	w        *world
	name     string
	dir      string
	resolver func(store synckit.EventStore) synckit.ConflictResolver
	offline  bool
	written  int

	fuse      *fuse
	log       synckit.Log // not mortal: the app's and the checker's
	transport *chaosTransport
	manager   *synckit.Manager
}

// open starts the node's process.
func (n *node) open() {
	n.fuse = &fuse{random: n.w.random}
	n.log = versioned(n.w.t, n.openStore(), n.name, n.w.trial.versions)
	n.transport = &chaosTransport{PagedTransport: n.w.connect(n.w.hub), fuse: n.fuse, bad: func() bool { return n.w.bad }}
	options := &synckit.SyncOptions{BatchSize: 1 + n.w.random.IntN(7), Peer: "hub"}
	if n.resolver != nil {
		options.ConflictResolver = n.resolver(n.log)
	}
	log := n.log
	if n.w.trial.log != nil {
		log = n.w.trial.log(log)
	}
	n.manager = synckit.NewSyncManager(&mortalLog{log, n.fuse}, n.transport, options)
}

func (n *node) openStore() synckit.Log {
	switch n.w.trial.store {
	case "badger":
		store, err := badger.New(&badger.Config{Dir: n.dir})
		if err != nil {
			n.w.t.Fatal(err)
		}
		return store
	case "redis":
		store, err := redis.New(&redis.Config{URL: n.w.redis, Prefix: n.name})
		if err != nil {
			n.w.t.Fatal(err)
		}
		return store
	}
	return openSQLite(n.w.t, filepath.Join(n.dir, "node.db"))
}

// versioned puts versions of a kind on what is written.
func versioned(t testing.TB, log synckit.Log, name, kind string) synckit.Log {
	t.Helper()
	if kind == "plain" {
		return log
	}
	store, err := version.NewVersionedStore(log, name, version.NewVectorClockManager())
	if err != nil {
		t.Fatal(err)
	}
	return store.(synckit.Log)
}

// close ends the process. What it had not committed is lost with it, pushes that
// are on their way are not.
func (n *node) close() {
	n.manager.Close()
	n.w.stray = append(n.w.stray, n.transport.delayed...)
	n.transport.Close()
	n.log.Close()
}

func (n *node) reopen() {
	n.close()
	n.open()
}

// write is something that the app does. It knows all of the aggregate that the
// log holds.
func (n *node) write() {
	n.written++
	aggregate := fmt.Sprint("aggregate-", n.w.random.IntN(n.w.trial.aggregates))
	id := fmt.Sprintf("%s-%d", n.name, n.written)
	ctx := n.w.t.Context()
	known, err := n.log.LoadByAggregate(ctx, aggregate, nil)
	if err != nil {
		n.w.t.Fatal(err)
	}
	e := synckit.NewEvent(id, "Changed", aggregate,
		map[string]any{fmt.Sprint("field", n.w.random.IntN(3)): id},
		map[string]any{"timestamp": 1_700_000_000_000 + n.w.random.IntN(5)}) // clocks are off, and equal at times
	if err := n.log.Store(ctx, e, nil); err != nil {
		n.w.t.Fatal(err)
	}
	n.w.wrote(id, known)
}

// step does something at random.
func (n *node) step() {
	if n.w.trial.compacts && !n.offline && n.w.random.IntN(5) == 0 {
		n.sync(compacting)
		return
	}
	switch r := n.w.random.IntN(20); {
	case r < 8:
		n.write()
	case r < 10:
		n.offline = !n.offline
	case r < 11:
		n.reopen()
	case r < 12:
		n.decide()
	case n.offline:
		n.write()
	default:
		n.sync(r)
	}
}

// compacting is what sync is told to compact.
const compacting = -1

// sync may be killed on the way, and the app may write meanwhile.
func (n *node) sync(r int) {
	if n.w.random.IntN(3) == 0 {
		n.fuse.left = 1 + n.w.random.IntN(15)
	}
	if n.w.random.IntN(3) == 0 {
		n.fuse.write = n.write
	}
	ctx := n.w.t.Context()
	switch {
	case r == compacting:
		aggregate := fmt.Sprint("aggregate-", n.w.random.IntN(n.w.trial.aggregates))
		bad := n.w.bad
		n.w.bad = bad && n.w.random.IntN(2) == 0 // many calls have to succeed
		done, err := n.manager.Compact(ctx, aggregate, time.Time{}, sum)
		if n.w.bad = bad; err == nil && done.Covered > 0 && n.w.trial.compactions != nil {
			*n.w.trial.compactions++
		}
	case r < 17:
		_, _ = n.manager.Sync(ctx)
	case r < 19:
		_, _ = n.manager.Pull(ctx)
	default:
		_, _ = n.manager.Push(ctx)
	}
	n.fuse.write = nil
	if n.fuse.dead {
		n.reopen()
	}
	n.fuse.left = 0
}

// decide has a person end some reviews: for one side, both, or something new.
// Persons on different nodes may decide differently.
func (n *node) decide() (decided int) {
	reviews, err := n.manager.Reviews(n.w.t.Context(), "", 100)
	if err != nil {
		n.w.problem("%s: list reviews: %v", n.name, err)
	}
	for _, r := range reviews {
		var kept []synckit.EventWithVersion
		switch n.w.random.IntN(4) {
		case 0:
			kept = r.Local
		case 1:
			kept = r.Remote
		case 2:
			kept = synckit.Effective(append(append(kept, r.Remote...), r.Local...))
		default:
			n.written++
			id := fmt.Sprintf("%s-%d", n.name, n.written)
			kept = []synckit.EventWithVersion{{Event: synckit.NewEvent(id, "Decided", r.AggregateID, nil, nil)}}
		}
		if err := n.manager.Decide(n.w.t.Context(), r.ID, kept); err != nil {
			n.w.problem("%s: decide %s: %v", n.name, r.ID, err)
		}
		decided++
	}
	return decided
}
