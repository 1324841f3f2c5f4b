package synckit_test

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/storage/memory"
	"syncline/synckit/storage/sqlite"
	"syncline/synckit/transport/httptransport"
)

// What options open works, and is closed with the manager.
func TestNewManagerOpensAndClosesWhatItsOptionsName(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	mux := http.NewServeMux()
	mux.Handle("/sync/", httptransport.NewSyncHandler(hub, nil, nil, nil))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	path := filepath.Join(t.TempDir(), "app.db")
	store, err := sqlite.NewWithDataSource(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Store(t.Context(), newEvent("mine", "x"), nil); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := hub.Store(t.Context(), newEvent("theirs", "x"), nil); err != nil {
		t.Fatal(err)
	}
	for _, strategy := range []synckit.ManagerOption{synckit.WithLWW(), synckit.WithFWW(), synckit.WithAdditiveMerge()} {
		m, err := synckit.NewManager(synckit.WithSQLite(path), synckit.WithHTTPTransport(server.URL+"/sync"), strategy, synckit.WithBatchSize(1))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		_, err = m.Effective(t.Context(), "x")
		checkCode(t, err, errors.Closed) // the store is
	}
	check(t, "hub", logOf(t, hub), "theirs mine")
}

func TestNewManagerTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	store := memory.New()
	t.Cleanup(func() { store.Close() })
	for name, options := range map[string][]synckit.ManagerOption{
		"nothing":         nil,
		"no transport":    {synckit.WithStore(store)},
		"no store":        {synckit.WithNullTransport()},
		"a nil option":    {synckit.WithStore(store), nil},
		"a bad batch":     {synckit.WithStore(store), synckit.WithNullTransport(), synckit.WithBatchSize(-1)},
		"a contradiction": {synckit.WithStore(store), synckit.WithNullTransport(), synckit.WithPushOnly()},
		"a bad URL":       {synckit.WithStore(store), synckit.WithHTTPTransport("localhost:8080")},
		"a bad path":      {synckit.WithSQLite(""), synckit.WithNullTransport()},
	} {
		m, err := synckit.NewManager(options...)
		if m != nil {
			t.Errorf("%s: there is a manager", name)
		}
		t.Run(name, func(t *testing.T) { checkCode(t, err, errors.InvalidOptions) })
	}
	_, err := store.LatestVersion(t.Context())
	check(t, "the store of others", err, nil)
}

// A store that was opened for a manager that is not made is closed again.
func TestNewManagerClosesWhatItDoesNotNeed(t *testing.T) {
	t.Parallel()
	opened := memory.New()
	synckit.OfferStore("test", func(string) (synckit.EventStore, error) { return opened, nil })
	fromOffer := synckit.WithOfferedStore("test", "", "somewhere")
	_, err := synckit.NewManager(fromOffer, synckit.WithBatchSize(-1), synckit.WithNullTransport())
	checkCode(t, err, errors.InvalidOptions)
	_, err = opened.LatestVersion(t.Context())
	checkCode(t, err, errors.Closed)
	_, err = synckit.NewManager(synckit.WithOfferedStore("none", "", "somewhere"))
	checkCode(t, err, errors.InvalidOptions)
}

// Without a peer events stay what they are: unsent, for the first peer that comes.
func TestTheNullTransportSendsNothing(t *testing.T) {
	t.Parallel()
	store, hub := memory.New(), newHub(t)
	t.Cleanup(func() { store.Close() })
	m, err := synckit.NewManager(synckit.WithStore(store), synckit.WithNullTransport(), synckit.WithLWW())
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := store.Store(t.Context(), newEvent("a", "x"), nil); err != nil {
		t.Fatal(err)
	}
	r, err := m.Sync(t.Context())
	check(t, "sync", err, nil)
	check(t, "pushed", r.EventsPushed, 0)
	_, err = m.Push(t.Context())
	checkCode(t, err, errors.Unsupported)
	stats, err := m.Stats(t.Context())
	check(t, "stats", err, nil)
	check(t, "unsent", stats.Unsent, 1)
	other, err := synckit.NewManager(synckit.WithStore(store), synckit.WithTransport(newScripted(hub)))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(t, "the first peer", logOf(t, hub), "a")
}
