package synckit_test

import (
	"context"
	"fmt"
	"testing"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/memtransport"
)

// hub is a peer in memory.
func newHub(t *testing.T) *memory.Store {
	t.Helper()
	hub := memory.New()
	t.Cleanup(func() { hub.Close() })
	return hub
}

// node is a store with a manager.
type node struct {
	*synckit.Manager
	store *memory.Store
	t     *testing.T
}

func newNode(t *testing.T, hub synckit.EventStore, options synckit.SyncOptions) node {
	t.Helper()
	return nodeOver(t, memtransport.New("hub", hub), options)
}

func nodeOver(t *testing.T, transport synckit.Transport, options synckit.SyncOptions) node {
	t.Helper()
	store := memory.New()
	m := synckit.NewSyncManager(store, transport, &options)
	t.Cleanup(func() { m.Close(); transport.Close(); store.Close() })
	return node{m, store, t}
}

func (n node) write(aggregate string, ids ...string) {
	n.t.Helper()
	for _, id := range ids {
		if err := n.store.Store(n.t.Context(), newEvent(id, aggregate), nil); err != nil {
			n.t.Fatal(err)
		}
	}
}

func (n node) sync() *synckit.SyncResult {
	n.t.Helper()
	r, err := n.Sync(n.t.Context())
	if err != nil || len(r.Errors) > 0 {
		n.t.Fatalf("sync: %v, %v", err, r.Errors)
	}
	return r
}

// counts are the IDs that count, in order.
func (n node) counts(aggregate string) string {
	n.t.Helper()
	events, err := synckit.LoadEffective(n.t.Context(), n.store, aggregate)
	if err != nil {
		n.t.Fatal(err)
	}
	return idsOf(events)
}

func (n node) log() string { n.t.Helper(); return logOf(n.t, n.store) }

// logOf are a store's IDs in order, without resolutions.
func logOf(t *testing.T, store synckit.EventStore) string {
	t.Helper()
	events, err := store.Load(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var plain []synckit.EventWithVersion
	for _, e := range events {
		if e.Event.Type() != synckit.ResolutionType {
			plain = append(plain, e)
		}
	}
	return idsOf(plain)
}

func resolutionsIn(t *testing.T, store synckit.EventStore) (found []synckit.Resolution) {
	t.Helper()
	events, err := store.Load(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if r, ok := synckit.ReadResolution(e.Event); ok {
			found = append(found, r)
		}
	}
	return found
}

func (n node) onlyReview() synckit.Review {
	n.t.Helper()
	reviews, err := n.Reviews(n.t.Context(), "", 10)
	if err != nil || len(reviews) != 1 {
		n.t.Fatalf("reviews: %v, %v", reviews, err)
	}
	return reviews[0]
}

func newEvent(id, aggregate string) synckit.Event {
	return synckit.NewEvent(id, "Changed", aggregate, map[string]string{"by": id}, nil)
}

func idsOf(events []synckit.EventWithVersion) string {
	text := ""
	for i, e := range events {
		if i > 0 {
			text += " "
		}
		text += e.Event.ID()
	}
	return text
}

func check(t *testing.T, what string, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func checkCode(t *testing.T, err error, want errors.Code) {
	t.Helper()
	if got := errors.CodeOf(err); err == nil || got != want {
		t.Errorf("error %v has code %q, want %q", err, got, want)
	}
}

// resolverFunc is a ConflictResolver.
type resolverFunc func(local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, error)

func (f resolverFunc) Resolve(_ context.Context, local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
	return f(local, remote)
}

// highest keeps the event with the highest ID, whichever side has it.
var highest = resolverFunc(func(local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
	best := local[0]
	for _, e := range append(local, remote...) {
		if e.Event.ID() > best.Event.ID() {
			best = e
		}
	}
	return []synckit.EventWithVersion{best}, nil
})

// toPerson leaves all to a person.
var toPerson = resolverFunc(func(_, _ []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
	return nil, synckit.ErrReview
})
