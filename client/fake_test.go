package client_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"syncline/auth/signing"
	"syncline/client"
)

// A fakeServer answers over in-memory connections, so that a whole exchange
// runs on the fake clock of a synctest bubble.
type fakeServer struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (f *fakeServer) Accept() (net.Conn, error) {
	select {
	case c := <-f.conns:
		return c, nil
	case <-f.closed:
		return nil, net.ErrClosed
	}
}

func (f *fakeServer) Close() error {
	close(f.closed)
	return nil
}

func (f *fakeServer) Addr() net.Addr { return &net.TCPAddr{} }

func (f *fakeServer) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case f.conns <- theirs:
		return ours, nil
	case <-f.closed:
		return nil, net.ErrClosed
	}
}

// newFake makes a client of a server that answers with a handler.
func newFake(t *testing.T, handler http.HandlerFunc, opts ...client.Option) *client.Client {
	t.Helper()
	f := &fakeServer{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Hour}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(f) })
	transport := &http.Transport{DialContext: f.dial, DisableKeepAlives: true}
	t.Cleanup(func() {
		_ = server.Close()
		serving.Wait()
		transport.CloseIdleConnections()
	})
	opts = append([]client.Option{client.WithHTTPClient(&http.Client{Transport: transport})}, opts...)
	return newClient(t, "http://fake.example/graphql", opts...)
}

func newClient(t testing.TB, endpoint string, opts ...client.Option) *client.Client {
	t.Helper()
	c, err := client.New(endpoint, newKey(t), opts...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newKey(t testing.TB) signing.PrivateKey {
	t.Helper()
	key, err := signing.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// A call is what a client asked for.
type call struct {
	Query     string
	Variables struct {
		Since *string
		Input struct {
			ID         string
			MutationID string
			Acquire    bool
			Token      int
			InstanceID string
		}
	}
	header http.Header
	at     time.Time
}

func readCall(t *testing.T, r *http.Request) call {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	c := call{header: r.Header, at: time.Now()}
	if err := json.Unmarshal(body, &c); err != nil {
		t.Errorf("%v in %s", err, body)
	}
	return c
}

// An answer is what a scripted server says to one request.
type answer func(w http.ResponseWriter)

func body(status int, text string) answer {
	return func(w http.ResponseWriter) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
}

// coded is an error of the service.
func coded(status int, extensions string) answer {
	return body(status, `{"errors":[{"message":"no","extensions":{`+extensions+`}}]}`)
}

// hangUp ends the connection instead of an answer.
func hangUp(http.ResponseWriter) { panic(http.ErrAbortHandler) }

// A script answers each request with the next answer, the last for ever, and
// keeps what was asked.
type script struct {
	t       *testing.T
	answers []answer
	mu      sync.Mutex
	calls   []call
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	next := s.answers[min(len(s.calls), len(s.answers)-1)]
	s.calls = append(s.calls, readCall(s.t, r))
	s.mu.Unlock()
	next(w)
}

func (s *script) asked() []call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

const viewerAnswer = `{"data":{"viewer":{"id":"02","head":3,"cursor":"c","recordCount":1,"storedBytes":5}}}`
