package grpctransport_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"

	"syncline/internal/testservers"
	"syncline/synckit"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/grpctransport"
	"syncline/synckit/transport/transporttest"
)

// A server serves a store on one port, and can be ended and started again.
type server struct {
	address string
	serving atomic.Pointer[grpctransport.Server]
	http    func(*http.Server) // settings of the test's own
	options []connect.HandlerOption
	running *http.Server
}

func startServer(t *testing.T, serve *grpctransport.Server, options ...connect.HandlerOption) *server {
	t.Helper()
	return startServerWith(t, serve, func(*http.Server) {}, options...)
}

func startServerWith(t *testing.T, serve *grpctransport.Server, settings func(*http.Server), options ...connect.HandlerOption) *server {
	t.Helper()
	s := &server{address: testservers.FreeAddress(t), options: options, http: settings}
	s.serving.Store(serve)
	s.start(t)
	t.Cleanup(func() { s.stop(t) })
	return s
}

func (s *server) start(t *testing.T) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	path, handler := s.serving.Load().Handler(s.options...)
	mux := http.NewServeMux()
	mux.Handle(path, handler)
	s.running = &http.Server{ReadHeaderTimeout: time.Minute, Protocols: protocols, Handler: mux}
	s.http(s.running)
	go s.running.Serve(listener)
}

func (s *server) stop(t *testing.T) {
	t.Helper()
	if err := s.running.Close(); err != nil {
		t.Error(err)
	}
	s.serving.Load().Close()
}

func (s *server) url() string { return "http://" + s.address }

// newStore makes a log whose disk can be full.
func newStore(t *testing.T) *transporttest.FaultyLog {
	store := &transporttest.FaultyLog{Log: memory.New()}
	t.Cleanup(func() { store.Close() })
	return store
}

// connected makes a client that ends with the test.
func connected(t *testing.T, url string, options *grpctransport.ClientOptions) *grpctransport.Transport {
	t.Helper()
	transport := grpctransport.NewTransport(url, options)
	t.Cleanup(func() { transport.Close() })
	return transport
}

func newEvents(n int) []synckit.EventWithVersion {
	events := make([]synckit.EventWithVersion, n)
	for i := range events {
		events[i].Event = synckit.NewEvent(fmt.Sprint("event-", i), "Noted", "n", i, nil)
	}
	return events
}

// soon is long enough for what happens at once, on a machine that is busy.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// await takes what comes.
func await[T any](t *testing.T, from <-chan T) (got T) {
	t.Helper()
	select {
	case got = <-from:
	case <-soon(t).Done():
		t.Fatal("nothing in a minute")
	}
	return got
}

// subscribed has what a subscription brings, in order; nothing where it has begun to listen.
func subscribed(t *testing.T, transport synckit.Transport) <-chan []synckit.EventWithVersion {
	t.Helper()
	got := make(chan []synckit.EventWithVersion, 1000)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		transport.Subscribe(ctx, func(events []synckit.EventWithVersion) error {
			got <- events
			return nil
		})
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return got
}
