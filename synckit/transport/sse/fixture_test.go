package sse_test

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
	"syncline/synckit/transport/sse"
	"syncline/synckit/transport/transporttest"
)

// server serves a store on one port, by both transports, and can be ended and started again.
type server struct {
	address string
	handler atomic.Pointer[http.ServeMux]
	running *http.Server
}

func startServer(t *testing.T, store synckit.EventStore) *server {
	t.Helper()
	s := &server{address: testservers.FreeAddress(t)}
	s.serve(store)
	s.start(t)
	t.Cleanup(func() { s.running.Close() })
	return s
}

func (s *server) serve(store synckit.EventStore) {
	mux := http.NewServeMux()
	mux.Handle("/sync/", httptransport.NewSyncHandler(store, nil, nil, nil))
	mux.Handle("/sse", sse.NewServer(store, nil).Handler())
	s.handler.Store(mux)
}

func (s *server) start(t *testing.T) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	s.running = &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.handler.Load().ServeHTTP(w, r)
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

// ownConnections keeps a test's connections from being those of others.
func ownConnections(t *testing.T) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func (s *server) connect(t *testing.T) synckit.Transport {
	return sse.Over(httptransport.NewTransport(s.url()+"/sync", nil, nil, nil), sse.NewClient(s.url(), ownConnections(t)))
}

func TestConformance(t *testing.T) {
	t.Parallel()
	transporttest.Run(t, func(t *testing.T, _ ...transporttest.Ability) transporttest.Peer {
		store := &transporttest.FaultyLog{Log: memory.New()}
		t.Cleanup(func() { store.Close() })
		s := startServer(t, store)
		return transporttest.Peer{
			Connect: s.connect,
			Stop:    s.stop,
			Start:   s.start,
			Replace: func(*testing.T) { s.serve(memory.New()) },
			Fail:    store.Fail,
			Inject: func(t *testing.T, e synckit.EventWithVersion) {
				if err := store.Store(t.Context(), e.Event, e.Version); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}
