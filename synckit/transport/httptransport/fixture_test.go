package httptransport_test

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"syncline/internal/testservers"
	"syncline/synckit"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/httptransport"
	"syncline/synckit/transport/transporttest"
)

// A server serves a handler on one port, and can be ended and started again.
type server struct {
	address string
	handler atomic.Value // http.Handler
	running *http.Server
}

func startServer(t *testing.T, handler http.Handler) *server {
	t.Helper()
	s := &server{address: testservers.FreeAddress(t)}
	s.handler.Store(handler)
	s.start(t)
	t.Cleanup(func() { s.running.Close() })
	return s
}

func (s *server) start(t *testing.T) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	s.running = &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.handler.Load().(http.Handler).ServeHTTP(w, r)
	})}
	go s.running.Serve(listener)
}

func (s *server) stop(t *testing.T) {
	t.Helper()
	if err := s.running.Close(); err != nil {
		t.Error(err)
	}
}

func (s *server) url() string { return "http://" + s.address }

// newStore makes a log whose disk can be full.
func newStore(t *testing.T) *transporttest.FaultyLog {
	store := &transporttest.FaultyLog{Log: memory.New()}
	t.Cleanup(func() { store.Close() })
	return store
}

func newHandler(store synckit.EventStore, options *httptransport.ServerOptions) http.Handler {
	return httptransport.NewSyncHandler(store, nil, nil, options)
}

// connect makes a client that ends with the test.
func connect(t *testing.T, url string, options *httptransport.ClientOptions) *httptransport.Transport {
	t.Helper()
	transport := httptransport.NewTransport(url, nil, nil, options)
	t.Cleanup(func() { transport.Close() })
	return transport
}
