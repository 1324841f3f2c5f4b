package httptransport_test

import (
	"net/http"
	"path/filepath"
	"testing"

	"syncline/synckit"
	"syncline/synckit/storage/memory"
	"syncline/synckit/storage/sqlite"
	"syncline/synckit/transport/httptransport"
	"syncline/synckit/transport/transporttest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	transporttest.Run(t, func(t *testing.T, _ ...transporttest.Ability) transporttest.Peer {
		store := newStore(t)
		s := startServer(t, newHandler(store, nil))
		return transporttest.Peer{
			Connect: func(*testing.T) synckit.Transport { return httptransport.NewTransport(s.url(), nil, nil, nil) },
			Stop:    s.stop,
			Start:   s.start,
			Replace: func(t *testing.T) { s.handler.Store(newHandler(newStore(t), nil)) },
			Fail:    store.Fail,
			Inject: func(t *testing.T, e synckit.EventWithVersion) {
				if err := store.Store(t.Context(), e.Event, e.Version); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}

// plainStore has the documented interface alone.
type plainStore struct{ synckit.EventStore }

func TestConformanceOverADocumentedStore(t *testing.T) {
	t.Parallel()
	transporttest.Run(t, func(t *testing.T, _ ...transporttest.Ability) transporttest.Peer {
		store := newStore(t)
		handler := func(store synckit.EventStore) http.Handler { return newHandler(plainStore{store}, nil) }
		s := startServer(t, handler(store))
		return transporttest.Peer{
			Connect: func(*testing.T) synckit.Transport { return httptransport.NewTransport(s.url(), nil, nil, nil) },
			Stop:    s.stop,
			Start: func(t *testing.T) {
				s.handler.Store(handler(store))
				s.start(t)
			},
			Replace: func(t *testing.T) { s.handler.Store(handler(memory.New())) },
			Fail:    store.Fail,
			Inject: func(t *testing.T, e synckit.EventWithVersion) {
				if err := store.Store(t.Context(), e.Event, e.Version); err != nil {
					t.Fatal(err)
				}
			},
			Cannot: map[transporttest.Ability]string{
				transporttest.Skipping: "the documented interface does not tell where an event stands",
			},
		}
	})
}

// The log is a file, which is closed and opened anew with the server.
func TestConformanceOverAFile(t *testing.T) {
	t.Parallel()
	transporttest.Run(t, func(t *testing.T, _ ...transporttest.Ability) transporttest.Peer {
		f := &file{path: filepath.Join(t.TempDir(), "events.db")}
		s := startServer(t, f.open(t))
		t.Cleanup(func() { f.store.Close() })
		return transporttest.Peer{
			Connect: func(*testing.T) synckit.Transport { return httptransport.NewTransport(s.url(), nil, nil, nil) },
			Stop: func(t *testing.T) {
				s.stop(t)
				f.store.Close()
			},
			Start: func(t *testing.T) {
				s.handler.Store(f.open(t))
				s.start(t)
			},
			Replace: func(t *testing.T) {
				f.store.Close()
				f.path = filepath.Join(t.TempDir(), "other.db")
				s.handler.Store(f.open(t))
			},
			Fail: func(failing bool) { f.store.Fail(failing) },
			Cannot: map[transporttest.Ability]string{
				transporttest.Injecting: "a file's versions have kinds; TestConformance has a store of others",
			},
		}
	})
}

type file struct {
	path  string
	store *transporttest.FaultyLog
}

func (f *file) open(t *testing.T) http.Handler {
	t.Helper()
	log, err := sqlite.NewWithDataSource(f.path)
	if err != nil {
		t.Fatal(err)
	}
	f.store = &transporttest.FaultyLog{Log: log}
	return newHandler(f.store, nil)
}
