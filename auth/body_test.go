package auth_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"syncline/auth"
	"syncline/internal/budget"
)

// A request that lasts keeps nothing of its body. Not parallel, because it
// measures the process.
func TestBodyThatWasReadIsNotKept(t *testing.T) {
	const size, requests = 1 << 20, 8
	reading, end := make(chan struct{}), make(chan struct{})
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if n, _ := io.Copy(io.Discard, r.Body); n != size {
			t.Errorf("%d bytes", n)
		}
		reading <- struct{}{}
		<-end
		runtime.KeepAlive(r)
	})
	s := newService(t, nil, auth.Options{})
	before := heap()
	done := make(chan struct{})
	for i := range requests {
		go func() {
			r := signedPost(t, "lasts "+string(rune('a'+i)), strings.Repeat("a", size))
			r.Body = io.NopCloser(io.LimitReader(letters{}, size)) // not kept by the test
			s.verifier.Middleware(handler).ServeHTTP(httptest.NewRecorder(), r)
			done <- struct{}{}
		}()
		<-reading
	}
	if kept := heap() - before; kept > size {
		t.Errorf("%d requests of %d bytes keep %d", requests, size, kept)
	}
	close(end)
	for range requests {
		<-done
	}
}

type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	return len(p), nil
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestBodiesWaitForMemory(t *testing.T) {
	t.Parallel()
	pool := budget.New(32 << 20)
	s := newService(t, nil, auth.Options{Budget: pool})
	var taken []*budget.Grant
	for pool.Used() < pool.Size() {
		g, err := pool.Acquire(t.Context(), 512<<10)
		if err != nil {
			t.Fatal(err)
		}
		taken = append(taken, g)
	}
	w := s.serve(signedPost(t, "too much", "text"))
	ext := extensions(t, w)
	if w.Code != http.StatusServiceUnavailable || ext["code"] != "UNAVAILABLE" || ext["outcome"] != "NOT_APPLIED" || ext["retryAfterMs"] != 1000.0 {
		t.Errorf("%d %v", w.Code, ext)
	}
	taken[0].Release()
	if w := s.serve(signedPost(t, "too much", "text")); w.Code != http.StatusOK {
		t.Errorf("the same request again: %d %s", w.Code, w.Body)
	}
	if held := pool.Size() - pool.Used(); held != 512<<10 {
		t.Errorf("%d bytes are free after it", held)
	}
}

// A client that promises a body and does not send it gives way to those who wait,
// however small the body, and is told to come again.
func TestBodyThatDoesNotComeGivesWay(t *testing.T) {
	t.Parallel()
	pool := budget.New(32 << 20)
	s := newService(t, nil, auth.Options{Budget: pool})
	server := httptest.NewServer(s.verifier.Middleware(http.HandlerFunc(s.next)))
	t.Cleanup(server.Close)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 16384\r\n\r\n"+strings.Repeat("a", 100))
	for pool.Used() == 0 {
		runtime.Gosched()
	}
	for pool.Size()-pool.Used() > 256<<10 {
		if _, err := pool.Acquire(t.Context(), 128<<10); err != nil {
			t.Fatal(err)
		}
	}
	waiting, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { _, _ = pool.Acquire(waiting, 300<<10) }()
	_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	answer, err := io.ReadAll(conn)
	for _, want := range []string{"503 Service Unavailable", `"code":"UNAVAILABLE"`, `"outcome":"NOT_APPLIED"`, `"retryAfterMs":1000`} {
		if !bytes.Contains(answer, []byte(want)) {
			t.Errorf("%s, %v, want %s", answer, err, want)
		}
	}
}

// A body of unknown length holds memory for what came of it.
func TestBodyOfUnknownLength(t *testing.T) {
	t.Parallel()
	pool := budget.New(32 << 20)
	var held int64
	s := newService(t, nil, auth.Options{Budget: pool})
	r := signedPost(t, "chunked", "text")
	r.ContentLength = -1
	s.verifier.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { held = pool.Used() })).ServeHTTP(httptest.NewRecorder(), r)
	if held == 0 || held > 128<<10 {
		t.Errorf("4 bytes hold %d", held)
	}
}

// A body that is announced and does not come holds its connection for a few
// seconds, not for the minute of a large one.
func TestBodyThatNeverEndsIsGivenUp(t *testing.T) {
	t.Parallel()
	pool := budget.New(32 << 20)
	s := newService(t, nil, auth.Options{Budget: pool})
	server := httptest.NewServer(s.verifier.Middleware(http.HandlerFunc(s.next)))
	t.Cleanup(server.Close)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 16384\r\n\r\n"+strings.Repeat("a", 16383))
	_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	answer, err := io.ReadAll(conn)
	if err != nil || !bytes.Contains(answer, []byte("400 Bad Request")) {
		t.Errorf("%s, %v", answer, err)
	}
	if pool.Used() != 0 || s.reached != 0 {
		t.Errorf("%d bytes stay granted, next handler reached %d times", pool.Used(), s.reached)
	}
}
