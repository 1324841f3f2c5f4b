package synckit_test

import (
	"context"
	stderrors "errors"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/storage/memory"
)

// number is a version as somebody might write one after the documentation.
type number int

func (n number) Compare(other synckit.Version) int { return int(n) - int(other.(number)) }
func (n number) String() string                    { return strconv.Itoa(int(n)) }
func (n number) IsZero() bool                      { return n == 0 }

// customStore knows the documented interface only, and calls since's methods
// without asking whether it is nil.
type customStore struct {
	mu      sync.Mutex
	events  []synckit.EventWithVersion
	refused string
}

func (s *customStore) Store(_ context.Context, e synckit.Event, v synckit.Version) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = v.String()
	if e.ID() == s.refused {
		return stderrors.New("disk full")
	}
	for _, had := range s.events {
		if had.Event.ID() == e.ID() {
			return stderrors.New("duplicate")
		}
	}
	s.events = append(s.events, synckit.EventWithVersion{Event: e, Version: number(len(s.events) + 1)})
	return nil
}

func (s *customStore) Load(_ context.Context, since synckit.Version) ([]synckit.EventWithVersion, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if since.IsZero() {
		return append([]synckit.EventWithVersion(nil), s.events...), nil
	}
	return append([]synckit.EventWithVersion(nil), s.events[since.(number):]...), nil
}

func (s *customStore) LoadByAggregate(ctx context.Context, id string, since synckit.Version) (found []synckit.EventWithVersion, _ error) {
	all, err := s.Load(ctx, since)
	for _, e := range all {
		if e.Event.AggregateID() == id {
			found = append(found, e)
		}
	}
	return found, err
}

func (s *customStore) LatestVersion(context.Context) (synckit.Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return number(len(s.events)), nil
}

func (s *customStore) Close() error { return nil }

// customTransport knows the documented interface only.
type customTransport struct {
	peer    *customStore
	bounded int // how many events a Pull brings; 0: all
	ignorant,
	unversioned bool
}

func (c *customTransport) Push(ctx context.Context, events []synckit.EventWithVersion) error {
	for _, e := range events {
		if err := c.peer.Store(ctx, e.Event, number(1)); err != nil && err.Error() != "duplicate" {
			return err
		}
	}
	return nil
}

func (c *customTransport) Pull(ctx context.Context, since synckit.Version) ([]synckit.EventWithVersion, error) {
	if c.ignorant {
		since = number(0)
	}
	events, err := c.peer.Load(ctx, since)
	if c.bounded > 0 && len(events) > c.bounded {
		events = events[:c.bounded]
	}
	if c.unversioned {
		for i := range events {
			events[i].Version = nil
		}
	}
	return events, err
}

func (c *customTransport) Subscribe(context.Context, func([]synckit.EventWithVersion) error) error {
	return stderrors.New("not implemented")
}

func (c *customTransport) Close() error { return nil }

// parsing is a customTransport that can read its versions again.
type parsing struct{ *customTransport }

func (parsing) ParseVersion(_ context.Context, text string) (synckit.Version, error) {
	n, err := strconv.Atoi(text)
	return number(n), err
}

func newVersionless(id string) synckit.EventWithVersion {
	return synckit.EventWithVersion{Event: newEvent(id, "x"), Version: number(1)}
}

func TestStoreAndTransportWrittenAfterTheDocumentation(t *testing.T) {
	t.Parallel()
	for name, transport := range map[string]customTransport{
		"plain":        {},
		"bounded":      {bounded: 2},
		"ignorant":     {ignorant: true},
		"without text": {unversioned: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			transport.peer = &customStore{}
			managers := map[string]*synckit.Manager{}
			stores := map[string]*customStore{}
			for _, id := range []string{"a", "b"} {
				stores[id] = &customStore{}
				managers[id] = synckit.NewSyncManager(stores[id], &transport, &synckit.SyncOptions{ConflictResolver: highest, BatchSize: 2})
				for i := range 5 {
					if err := stores[id].Store(t.Context(), newEvent(fmt.Sprint(id, i), "x"), number(1)); err != nil {
						t.Fatal(err)
					}
				}
			}
			for _, id := range []string{"a", "b", "a", "b"} {
				if _, err := managers[id].Sync(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			for id, store := range stores {
				events, err := managers[id].Effective(t.Context(), "x")
				check(t, "error", err, nil)
				check(t, id, idsOf(events), "b4")
				check(t, "events", len(store.events), len(transport.peer.events))
			}
			for _, m := range managers {
				r, err := m.Sync(t.Context())
				check(t, "error", err, nil)
				check(t, "nothing is left", r.EventsPulled+r.EventsPushed, 0)
			}
		})
	}
}

// A manager that begins anew over a custom store does no harm: IDs tell what is
// there.
func TestCustomStoreAfterARestart(t *testing.T) {
	t.Parallel()
	transport := &customTransport{peer: &customStore{}}
	store := &customStore{}
	for _, s := range []*customStore{store, transport.peer} {
		for i := range 3 {
			if err := s.Store(t.Context(), newEvent(fmt.Sprintf("%p%d", s, i), "x"), number(1)); err != nil {
				t.Fatal(err)
			}
		}
	}
	resolved := 0
	for range 3 {
		m := synckit.NewSyncManager(store, transport, &synckit.SyncOptions{ConflictResolver: highest})
		r, err := m.Sync(t.Context())
		check(t, "error", err, nil)
		resolved += r.ConflictsResolved
	}
	check(t, "resolved once", resolved, 1)
	check(t, "store", len(store.events), 7)
	check(t, "peer", len(transport.peer.events), 7)
}

func TestCustomStoreThatFails(t *testing.T) {
	t.Parallel()
	transport := &customTransport{peer: &customStore{}}
	store := &customStore{refused: "p2"}
	for _, id := range []string{"p1", "p2", "p3"} {
		if err := transport.peer.Store(t.Context(), newEvent(id, "x"), number(1)); err != nil {
			t.Fatal(err)
		}
	}
	m := synckit.NewSyncManager(store, transport, nil)
	_, err := m.Sync(t.Context())
	checkCode(t, err, errors.StorageFailed)
	store.refused = ""
	r, err := m.Sync(t.Context())
	check(t, "error", err, nil)
	check(t, "pulled", r.EventsPulled, 2)
	check(t, "log", logOf(t, versionless{store}), "p1 p2 p3")
}

// versionless lets a test load a customStore from nil.
type versionless struct{ *customStore }

func (v versionless) Load(ctx context.Context, _ synckit.Version) ([]synckit.EventWithVersion, error) {
	return v.customStore.Load(ctx, number(0))
}

// Reviews work over a custom store too, for as long as the manager lives.
func TestReviewsOverACustomStore(t *testing.T) {
	t.Parallel()
	transport := &customTransport{peer: &customStore{}}
	store := &customStore{}
	transport.peer.events = []synckit.EventWithVersion{newVersionless("p")}
	store.events = []synckit.EventWithVersion{newVersionless("s")}
	m := synckit.NewSyncManager(store, transport, &synckit.SyncOptions{ConflictResolver: toPerson})
	_, err := m.Sync(t.Context())
	check(t, "error", err, nil)
	reviews, err := m.Reviews(t.Context(), "", 10)
	if err != nil || len(reviews) != 1 {
		t.Fatal(reviews, err)
	}
	more, err := m.Reviews(t.Context(), reviews[0].ID, 10)
	check(t, "error", err, nil)
	check(t, "more", len(more), 0)
	check(t, "decide", m.Decide(t.Context(), reviews[0].ID, reviews[0].Remote), nil)
	events, err := m.Effective(t.Context(), "x")
	check(t, "error", err, nil)
	check(t, "effective", idsOf(events), "p")
	checkCode(t, m.Decide(t.Context(), reviews[0].ID, nil), errors.NotFound)
}

// A cursor outlives the manager where the log is durable and somebody can read
// the transport's versions again.
func TestACustomTransportResumes(t *testing.T) {
	t.Parallel()
	log := memory.New()
	t.Cleanup(func() { log.Close() })
	peer := &customStore{}
	for i := range 3 {
		if err := peer.Store(t.Context(), newEvent(fmt.Sprint("p", i), "x"), number(1)); err != nil {
			t.Fatal(err)
		}
	}
	for _, first := range []string{"0", "3"} {
		transport := &recording{parsing: parsing{&customTransport{peer: peer}}}
		if _, err := synckit.NewSyncManager(log, transport, nil).Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		check(t, "first pulled after", transport.since[0], first)
	}
}

// recording notes what is pulled after.
type recording struct {
	parsing
	since []string
}

func (r *recording) Pull(ctx context.Context, since synckit.Version) ([]synckit.EventWithVersion, error) {
	r.since = append(r.since, since.String())
	return r.parsing.Pull(ctx, since)
}

// One event that nobody can encode does not keep the others of a custom store
// from the peer.
func TestACustomStoreWithAnEventThatIsNone(t *testing.T) {
	t.Parallel()
	transport := &customTransport{peer: &customStore{}}
	store := &customStore{}
	for _, e := range []synckit.Event{
		newEvent("s1", "x"), synckit.NewEvent("bad", "Changed", "x", func() {}, nil), newEvent("s2", "x"),
	} {
		if err := store.Store(t.Context(), e, number(1)); err != nil {
			t.Fatal(err)
		}
	}
	m := synckit.NewSyncManager(store, transport, nil)
	r, err := m.Sync(t.Context())
	check(t, "error", err, nil)
	check(t, "pushed", r.EventsPushed, 2)
	check(t, "peer", logOf(t, versionless{transport.peer}), "s1 s2")
	if len(r.Errors) != 1 {
		t.Fatalf("errors: %v", r.Errors)
	}
	checkCode(t, r.Errors[0], errors.InvalidEvent)
	reviews, err := m.Reviews(t.Context(), "", 10)
	if err != nil || len(reviews) != 1 || idsOf(reviews[0].Local) != "bad" {
		t.Error(reviews, err)
	}
}
