package compat_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"syncline/synckit"
	"syncline/synckit/cursor"
	"syncline/synckit/storage/sqlite"
	"syncline/synckit/synckittest"
	"syncline/synckit/transport/httptransport"
	"syncline/synckit/version"
)

// MyEvent is the documentation's event type.
type MyEvent struct {
	id          string
	eventType   string
	aggregateID string
	data        interface{}
	metadata    map[string]interface{}
}

func (e *MyEvent) ID() string                       { return e.id }
func (e *MyEvent) Type() string                     { return e.eventType }
func (e *MyEvent) AggregateID() string              { return e.aggregateID }
func (e *MyEvent) Data() interface{}                { return e.data }
func (e *MyEvent) Metadata() map[string]interface{} { return e.metadata }

func newStore(t *testing.T) *sqlite.Store {
	t.Helper()
	store, err := sqlite.New(&sqlite.Config{DataSourceName: "file:" + filepath.Join(t.TempDir(), "events.db"), EnableWAL: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// serve serves a store as the documentation does, and gives its URL.
func serve(t *testing.T, store synckit.EventStore, parser httptransport.VersionParser) string {
	t.Helper()
	logger := log.New(os.Stdout, "[SyncHandler] ", log.LstdFlags)
	handler := httptransport.NewSyncHandler(store, logger, parser, nil)
	server := httptest.NewServer(handler)
	t.Cleanup(func() { handler.Close(); server.Close() })
	return server.URL
}

// Filtering.
func TestFilter(t *testing.T) {
	t.Parallel()
	store, server := newStore(t), newStore(t)
	ctx := t.Context()
	options := &synckit.SyncOptions{
		BatchSize: 50,
		Filter: func(e synckit.Event) bool {
			// Only sync specific event types
			return e.Type() == "UserCreated" || e.Type() == "OrderPlaced"
		},
	}
	for _, eventType := range []string{"UserCreated", "UserSeen", "OrderPlaced"} {
		must(t, store.Store(ctx, &MyEvent{id: eventType, eventType: eventType, aggregateID: "user-1"}, nil))
	}
	clientTransport := httptransport.NewTransport(serve(t, server, nil), nil, nil, nil)
	syncManager := synckit.NewSyncManager(store, clientTransport, options)
	result, err := syncManager.Sync(ctx)
	must(t, err)
	if result.EventsPushed != 2 {
		t.Errorf("%+v", result)
	}
}

// Vector clocks with the VersionedStore decorator.
func TestVectorClocks(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	newNode := func(nodeID string) (version.VersionedStore, *sqlite.Store) {
		// 1. Create a base store (e.g., SQLite)
		storeConfig := &sqlite.Config{DataSourceName: "file:" + filepath.Join(t.TempDir(), "events.db"), EnableWAL: true}
		baseStore, err := sqlite.New(storeConfig)
		must(t, err)
		t.Cleanup(func() { baseStore.Close() })
		// 3. Create a vector clock version manager
		versionManager := version.NewVectorClockManager()
		// 4. Wrap the base store with the VersionedStore decorator
		versionedStore, err := version.NewVersionedStore(baseStore, nodeID, versionManager)
		must(t, err)
		return versionedStore, baseStore
	}
	nodeAStore, _ := newNode("A")
	nodeBStore, _ := newNode("B")
	hub := newStore(t)
	url := serve(t, hub, nil)
	userCreatedEvent := &MyEvent{id: "1", eventType: "UserCreated", aggregateID: "user-1"}
	orderPlacedEvent := &MyEvent{id: "2", eventType: "OrderPlaced", aggregateID: "user-1"}
	// When you store an event, the version is managed automatically
	must(t, nodeAStore.Store(ctx, userCreatedEvent, nil)) // nil means auto-generate version
	must(t, nodeBStore.Store(ctx, orderPlacedEvent, nil))
	a, b := latest(t, nodeAStore), latest(t, nodeBStore)
	if a.String() != `{"A":1}` || b.String() != `{"B":1}` || a.Compare(b) == 0 {
		t.Errorf("%s, %s, compare %d", a, b, a.Compare(b))
	}
	// When nodes sync, vector clocks detect concurrent operations
	// and enable proper conflict resolution
	resolver := &synckittest.MockConflictResolver{}
	for _, store := range []synckit.EventStore{nodeAStore, nodeBStore} {
		syncManager := synckit.NewSyncManager(store, httptransport.NewTransport(url, nil, nil, nil), &synckit.SyncOptions{ConflictResolver: resolver})
		_, err := syncManager.Sync(ctx)
		must(t, err)
	}
	if calls := resolver.Calls(); len(calls) != 1 {
		t.Errorf("%+v", calls)
	}
}

func latest(t *testing.T, store synckit.EventStore) synckit.Version {
	t.Helper()
	v, err := store.LatestVersion(t.Context())
	must(t, err)
	return v
}

// CustomVersionManager is a versioning strategy of one's own.
type CustomVersionManager struct {
	// Your custom state
	n uint64
}

func (vm *CustomVersionManager) CurrentVersion() synckit.Version {
	return cursor.IntegerCursor{Seq: vm.n}
}

func (vm *CustomVersionManager) NextVersion(nodeID string) synckit.Version {
	vm.n++
	return vm.CurrentVersion()
}

func (vm *CustomVersionManager) UpdateFromVersion(version synckit.Version) error {
	if seen, ok := version.(cursor.IntegerCursor); ok {
		vm.n = max(vm.n, seen.Seq)
		return nil
	}
	return errors.New("of another kind")
}

func (vm *CustomVersionManager) Clone() version.VersionManager {
	clone := *vm
	return &clone
}

func TestCustomVersionManager(t *testing.T) {
	t.Parallel()
	versionedStore, err := version.NewVersionedStore(newStore(t), "client-A", &CustomVersionManager{})
	must(t, err)
	must(t, versionedStore.Store(t.Context(), &MyEvent{id: "1", eventType: "UserCreated", aggregateID: "user-1"}, nil))
	events, err := versionedStore.Load(t.Context(), nil)
	must(t, err)
	if len(events) != 1 || events[0].Event.ID() != "1" {
		t.Errorf("%+v", events)
	}
}

// Custom configuration of SQLite.
func TestSQLiteConfiguration(t *testing.T) {
	t.Parallel()
	myLogger := log.New(os.Stderr, "", 0)
	config := &sqlite.Config{
		DataSourceName:  "file:" + filepath.Join(t.TempDir(), "production.db"),
		EnableWAL:       true,             // Default: true
		MaxOpenConns:    50,               // Default: 25
		MaxIdleConns:    10,               // Default: 5
		ConnMaxLifetime: 2 * time.Hour,    // Default: 1 hour
		ConnMaxIdleTime: 10 * time.Minute, // Default: 5 minutes
		TableName:       "my_events",      // Default: "events"
		Logger:          myLogger,         // Default: discard
	}
	store, err := sqlite.New(config)
	must(t, err)
	must(t, store.Close())
}

// A version parser that requires a 'v' prefix, at the client and at the server.
func TestVersionParser(t *testing.T) {
	t.Parallel()
	// Define a custom parser that requires a 'v' prefix
	customParser := func(ctx context.Context, s string) (synckit.Version, error) {
		if !strings.HasPrefix(s, "v") {
			return nil, fmt.Errorf("version must start with 'v'")
		}
		// Strip 'v' prefix and parse as integer
		seq, err := strconv.ParseUint(s[1:], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("invalid version number: %w", err)
		}
		return cursor.IntegerCursor{Seq: seq}, nil
	}
	store, hub := newStore(t), newStore(t)
	must(t, hub.Store(t.Context(), &MyEvent{id: "1", eventType: "UserCreated", aggregateID: "user-1"}, nil))
	must(t, hub.Store(t.Context(), &MyEvent{id: "2", eventType: "UserCreated", aggregateID: "user-2"}, nil))
	url := serve(t, hub, customParser)
	// Use custom parser in client transport
	clientTransport := httptransport.NewTransport(url, nil, customParser, nil)
	result, err := synckit.NewSyncManager(store, clientTransport, nil).Sync(t.Context())
	must(t, err)
	if result.EventsPulled != 2 {
		t.Errorf("%+v", result)
	}
	for since, want := range map[string]int{"v1": http.StatusOK, "1": http.StatusBadRequest} {
		if got := status(t, url+"/pull?since="+since); got != want {
			t.Errorf("since %s: %d", since, got)
		}
	}
}

func status(t *testing.T, url string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	must(t, err)
	res, err := http.DefaultClient.Do(req)
	must(t, err)
	res.Body.Close()
	return res.StatusCode
}

// CustomMergeResolver is the documentation's, with a merge filled in.
type CustomMergeResolver struct{}

// Resolve implements synckit.ConflictResolver.
func (r *CustomMergeResolver) Resolve(ctx context.Context, local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
	// Implement your custom merge logic
	// Could merge data fields, prompt user, etc.
	id, all := "merge", slices.Concat(local, remote)
	for _, e := range synckit.Effective(all) {
		id += " " + e.Event.ID()
	}
	merged := &MyEvent{id: id, eventType: "Merged", aggregateID: all[0].Event.AggregateID()}
	mergedEvents := []synckit.EventWithVersion{{Event: merged}}
	return mergedEvents, nil
}

func TestCustomResolver(t *testing.T) {
	t.Parallel()
	ctx, hub := t.Context(), newStore(t)
	url := serve(t, hub, nil)
	for i := range 2 {
		store := newStore(t)
		must(t, store.Store(ctx, &MyEvent{id: strconv.Itoa(i), eventType: "UserCreated", aggregateID: "user-1"}, nil))
		syncManager := synckit.NewSyncManager(store, httptransport.NewTransport(url, nil, nil, nil), &synckit.SyncOptions{
			ConflictResolver: &CustomMergeResolver{},
		})
		result, err := syncManager.Sync(ctx)
		must(t, err)
		if result.ConflictsResolved != i {
			t.Errorf("%+v", result)
		}
	}
	effective, err := synckit.LoadEffective(ctx, hub, "user-1")
	must(t, err)
	if len(effective) != 1 || effective[0].Event.ID() != "merge 0 1" {
		t.Errorf("%+v", effective)
	}
}

// CustomHTTPTransport is the documentation's; the methods that it leaves out do
// nothing.
type CustomHTTPTransport struct {
	client  *http.Client
	baseURL string
}

func (h *CustomHTTPTransport) Push(ctx context.Context, events []synckit.EventWithVersion) error {
	data, err := json.Marshal(events)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, "POST", //nolint:usestdlibvars // as it is documented
		h.baseURL+"/custom/push", bytes.NewBuffer(data))
	if err != nil {
		return err
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return nil
}

// Pull implements synckit.Transport.
func (h *CustomHTTPTransport) Pull(context.Context, synckit.Version) ([]synckit.EventWithVersion, error) {
	return nil, nil
}

// Subscribe implements synckit.Transport.
func (h *CustomHTTPTransport) Subscribe(context.Context, func([]synckit.EventWithVersion) error) error {
	return errors.New("not supported")
}

// Close implements synckit.Transport.
func (h *CustomHTTPTransport) Close() error { return nil }

func TestCustomTransport(t *testing.T) {
	t.Parallel()
	var got []struct {
		Event struct {
			ID   string `json:"id"`
			Data string `json:"data"`
		} `json:"event"`
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/custom/push" || json.NewDecoder(r.Body).Decode(&got) != nil {
			http.Error(w, "", http.StatusBadRequest)
		}
	}))
	t.Cleanup(server.Close)
	store := newStore(t)
	must(t, store.Store(t.Context(), &MyEvent{id: "1", eventType: "UserCreated", aggregateID: "user-1", data: "Ada"}, nil))
	transport := &CustomHTTPTransport{client: server.Client(), baseURL: server.URL}
	result, err := synckit.NewSyncManager(store, transport, nil).Sync(t.Context())
	must(t, err)
	if result.EventsPushed != 1 || len(got) != 1 || got[0].Event.ID != "1" || got[0].Event.Data != "Ada" {
		t.Errorf("%+v, the server got %+v", result, got)
	}
}

// Automatic sync, subscriptions, manual push and pull.
func TestAdvancedUsage(t *testing.T) {
	t.Parallel()
	store, hub := newStore(t), newStore(t)
	must(t, store.Store(t.Context(), &MyEvent{id: "1", eventType: "UserCreated", aggregateID: "user-1"}, nil))
	syncManager := synckit.NewSyncManager(store, httptransport.NewTransport(serve(t, hub, nil), nil, nil, nil), nil)
	synced := make(chan *synckit.SyncResult, 100)
	err := syncManager.Subscribe(func(result *synckit.SyncResult) {
		log.Printf("Sync completed: %d events pushed, %d pulled, %d conflicts resolved",
			result.EventsPushed, result.EventsPulled, result.ConflictsResolved)
		if len(result.Errors) > 0 {
			log.Printf("Sync errors: %v", result.Errors)
		}
		synced <- result
	})
	must(t, err)

	// Start automatic sync every 30 seconds
	ctx := context.Background()
	err = syncManager.StartAutoSync(ctx)
	if err != nil {
		log.Fatal(err)
	}
	if first := <-synced; first.EventsPushed != 1 {
		t.Errorf("%+v", first)
	}

	// Stop automatic sync
	err = syncManager.StopAutoSync()
	must(t, err)

	// Push only local changes
	must(t, store.Store(ctx, &MyEvent{id: "2", eventType: "UserCreated", aggregateID: "user-2"}, nil))
	result, err := syncManager.Push(ctx)
	must(t, err)
	if result.EventsPushed != 1 {
		t.Errorf("%+v", result)
	}
	// Pull only remote changes
	must(t, hub.Store(ctx, &MyEvent{id: "3", eventType: "UserCreated", aggregateID: "user-3"}, nil))
	result, err = syncManager.Pull(ctx)
	must(t, err)
	if result.EventsPulled != 1 {
		t.Errorf("%+v", result)
	}
}

// The mocks' test.
func TestMySync(t *testing.T) {
	t.Parallel()
	store := &synckittest.MockEventStore{}
	transport := &synckittest.MockTransport{}
	resolver := &synckittest.MockConflictResolver{}
	sm := synckit.NewSyncManager(store, transport, &synckit.SyncOptions{
		ConflictResolver: resolver,
	})
	must(t, store.Store(t.Context(), &MyEvent{id: "1", eventType: "UserCreated", aggregateID: "user-1"}, nil))
	// Test your sync logic
	result, err := sm.Sync(context.Background())
	must(t, err)
	if result.EventsPushed != 1 {
		t.Errorf("%+v", result)
	}
}
