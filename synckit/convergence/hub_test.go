package convergence

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"syncline/auth/signing"
	"syncline/client"
	"syncline/internal/testservers"
	"syncline/synckit"
	"syncline/synckit/storage/memory"
	"syncline/synckit/storage/sqlite"
	"syncline/synckit/transport/grpctransport"
	"syncline/synckit/transport/httptransport"
	"syncline/synckit/transport/memtransport"
	"syncline/synckit/transport/synclinetransport"
	"syncline/synckit/transport/wstransport"
)

// hub is the peer that all nodes sync with.
type hub interface {
	connect() synckit.PagedTransport
	// restart ends the hub's process and starts it again.
	restart()
}

var hubs = map[string]func(t testing.TB) hub{
	"memory":    newMemoryHub,
	"grpc":      newStoreHub(connectGRPC),
	"http":      newStoreHub(connectHTTP),
	"websocket": newStoreHub(connectWebSocket),
	"syncline":  newSynclineHub,
}

// memoryHub is a store in the nodes' process.
type memoryHub struct{ store *memory.Store }

func newMemoryHub(t testing.TB) hub {
	store := memory.New()
	t.Cleanup(func() { store.Close() })
	return memoryHub{store}
}

func (h memoryHub) connect() synckit.PagedTransport { return memtransport.New("hub", h.store) }

func (memoryHub) restart() {} // it would lose all

// storeHub serves a SQLite store.
type storeHub struct {
	t       testing.TB
	dir     string
	store   *sqlite.Store
	handler atomic.Pointer[http.Handler]
	server  *httptest.Server
	dial    func(*storeHub) synckit.PagedTransport
	closers []func()
}

func newStoreHub(dial func(*storeHub) synckit.PagedTransport) func(testing.TB) hub {
	return func(t testing.TB) hub {
		h := &storeHub{t: t, dir: t.TempDir(), dial: dial}
		h.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			(*h.handler.Load()).ServeHTTP(w, r)
		}))
		h.server.Config.Protocols = new(http.Protocols)
		h.server.Config.Protocols.SetHTTP1(true)
		h.server.Config.Protocols.SetUnencryptedHTTP2(true)
		h.server.Start()
		h.open()
		t.Cleanup(func() { h.close(); h.server.Close() })
		return h
	}
}

func (h *storeHub) open() {
	h.store = openSQLite(h.t, filepath.Join(h.dir, "hub.db"))
	push, socket := httptransport.NewSyncHandler(h.store, nil, nil, nil), wstransport.NewHandler(h.store, nil)
	calls := grpctransport.NewServer(h.store, nil)
	mux := http.NewServeMux()
	mux.Handle(calls.Handler())
	mux.Handle("/ws", socket)
	mux.Handle("/", push)
	handler := http.Handler(mux)
	h.handler.Store(&handler)
	h.closers = []func(){push.Close, socket.Close, calls.Close, func() { h.store.Close() }}
}

func (h *storeHub) close() {
	for _, c := range h.closers {
		c()
	}
}

func (h *storeHub) connect() synckit.PagedTransport { return h.dial(h) }

func (h *storeHub) restart() {
	h.close()
	h.open()
}

func connectGRPC(h *storeHub) synckit.PagedTransport {
	return grpctransport.NewTransport(h.server.URL, nil)
}

func connectHTTP(h *storeHub) synckit.PagedTransport {
	return httptransport.NewTransport(h.server.URL, h.server.Client(), nil, nil)
}

func connectWebSocket(h *storeHub) synckit.PagedTransport {
	return wstransport.NewTransport("ws"+strings.TrimPrefix(h.server.URL, "http")+"/ws", nil)
}

// synclineHub is an owner at the real server.
type synclineHub struct {
	t      testing.TB
	server *testservers.Syncline
	key    signing.PrivateKey
}

// newSynclineHub starts a server for the trial.
func newSynclineHub(t testing.TB) hub {
	key, err := signing.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return &synclineHub{t: t, server: testservers.StartSyncline(t), key: key}
}

func (h *synclineHub) connect() synckit.PagedTransport {
	connections := &http.Transport{}
	c, err := client.New(h.server.URL(), h.key, client.WithHTTPClient(&http.Client{Transport: connections}))
	if err != nil {
		h.t.Fatal(err)
	}
	return &closing{synclinetransport.New(c, nil), connections.CloseIdleConnections}
}

// closing does something more when it is closed.
type closing struct {
	*synclinetransport.Transport
	also func()
}

func (c *closing) Close() error {
	defer c.also()
	return c.Transport.Close()
}

func (h *synclineHub) restart() {
	h.server.Kill()
	h.server.Start()
}

// all reads a hub's log.
func all(ctx context.Context, h hub) ([]synckit.EventWithVersion, error) {
	return allThrough(ctx, h.connect())
}

func allThrough(ctx context.Context, transport synckit.PagedTransport) ([]synckit.EventWithVersion, error) {
	defer transport.Close()
	var events []synckit.EventWithVersion
	for cursor := ""; ; {
		page, err := transport.PullPage(ctx, cursor, 100)
		if err != nil {
			return nil, err
		}
		events, cursor = append(events, page.Events...), page.Cursor
		if !page.More {
			return events, nil
		}
	}
}

func openSQLite(t testing.TB, path string) *sqlite.Store {
	t.Helper()
	store, err := sqlite.NewWithDataSource("file:" + path)
	if err != nil {
		t.Fatal(err)
	}
	return store
}
