package lifecycle_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"testing"
	"time"

	"syncline/internal/lifecycle"
	"syncline/internal/testservers"
)

// start runs a server whose requests to /hold last, once they are answered in part, until
// they are cut off.
func start(t *testing.T, bound lifecycle.Connections) (address string) {
	t.Helper()
	return startWith(t, bound, nil)
}

func startWith(t *testing.T, bound lifecycle.Connections, encryption *tls.Config) (address string) {
	t.Helper()
	return serve(t, lifecycle.Listener{Connections: bound, TLS: encryption, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hold" {
			_, _ = io.WriteString(w, "held")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
	})})
}

// serve runs a server with one listener, at an address of its choice, until the test ends.
func serve(t *testing.T, listener lifecycle.Listener) (address string) {
	t.Helper()
	address = testservers.FreeAddress(t)
	listener.Name, listener.Address = "test", address
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	server := lifecycle.Server{
		Listeners: []lifecycle.Listener{listener},
		Drain:     func(context.Context) error { return nil },
		Timeout:   100 * time.Millisecond,
		Log:       slog.New(slog.DiscardHandler),
	}
	go func() { done <- server.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return address
}

// connect sends a request from an address of this machine and answers the status. One to
// /hold is in the handler's hands then.
func connect(t *testing.T, address, from, path string) (net.Conn, int) {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	deadline := time.Now().Add(20 * time.Second)
	for {
		conn, err := dialer.DialContext(t.Context(), "tcp", address)
		if err != nil {
			if time.Now().Before(deadline) {
				continue // the server is starting
			}
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path)
		return conn, status(t, conn)
	}
}

func status(t *testing.T, conn net.Conn) int {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(resp.TransferEncoding) == 0 { // the body of one that is held does not end
		_ = resp.Body.Close()
	}
	return resp.StatusCode
}

func TestAnAddressHasAShareOfConnections(t *testing.T) {
	t.Parallel()
	address := start(t, lifecycle.Connections{Most: 16, Trusted: func(a netip.Addr) bool { return a == netip.MustParseAddr("127.0.0.9") }})
	for range 4 {
		if _, code := connect(t, address, "127.0.0.2", "/hold"); code != http.StatusOK {
			t.Fatalf("of an address's share: %d", code)
		}
	}
	if _, code := connect(t, address, "127.0.0.2", "/"); code != http.StatusServiceUnavailable {
		t.Errorf("the fifth of an address: %d", code)
	}
	if _, code := connect(t, address, "127.0.0.3", "/"); code != http.StatusOK {
		t.Errorf("another address: %d", code)
	}
	for range 6 { // a proxy speaks for many
		if _, code := connect(t, address, "127.0.0.9", "/"); code != http.StatusOK {
			t.Errorf("a trusted proxy: %d", code)
		}
	}
}

// Connections by TLS count, and give way, as others do.
func TestIdleConnectionsByTLSGiveWay(t *testing.T) {
	t.Parallel()
	files, err := testservers.NewCertificate(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(files.File, files.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	address := startWith(t, lifecycle.Connections{Most: 16}, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	connect := func() (conn *tls.Conn, answered bool) {
		conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			return nil, false
		}
		t.Cleanup(func() { _ = conn.Close() })
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		n, err := conn.Read(make([]byte, 1000))
		return conn, err == nil && n > 0
	}
	var idle *tls.Conn
	testservers.Await(t, "it serves", func(context.Context) (ok bool) { idle, ok = connect(); return ok })
	for range 3 {
		if _, ok := connect(); !ok {
			t.Fatal("one of an address's share is refused")
		}
	}
	testservers.Await(t, "a fifth takes the place of one that idles", func(context.Context) bool { _, ok := connect(); return ok })
	_ = idle.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := idle.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection that idled for longest: %v", err)
	}
}

func TestIdleConnectionsGiveWay(t *testing.T) {
	t.Parallel()
	address := start(t, lifecycle.Connections{Most: 8})
	idle, code := connect(t, address, "127.0.0.2", "/")
	if code != http.StatusOK {
		t.Fatal(code)
	}
	for i := range 7 {
		if _, code := connect(t, address, fmt.Sprintf("127.0.0.%d", 3+i), "/hold"); code != http.StatusOK {
			t.Fatal(code)
		}
	}
	deadline := time.Now().Add(20 * time.Second)
	for code = http.StatusServiceUnavailable; code == http.StatusServiceUnavailable && time.Now().Before(deadline); {
		_, code = connect(t, address, "127.0.0.99", "/") // until the idle one has been so for long enough
	}
	if code != http.StatusOK {
		t.Errorf("beside an idle connection: %d", code)
	}
	_ = idle.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := idle.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the idle connection: %v", err)
	}
}

// Who has idle connections of an address's share takes none from others there.
func TestIdleConnectionsOfAnAddressGiveWay(t *testing.T) {
	t.Parallel()
	address := start(t, lifecycle.Connections{Most: 16})
	var idle []net.Conn
	for range 4 {
		conn, code := connect(t, address, "127.0.0.2", "/")
		if code != http.StatusOK {
			t.Fatal(code)
		}
		idle = append(idle, conn)
	}
	other, _ := connect(t, address, "127.0.0.3", "/") // is not the one to give way
	code := http.StatusServiceUnavailable
	testservers.Await(t, "one that idles gives way", func(context.Context) bool {
		_, code = connect(t, address, "127.0.0.2", "/")
		return code != http.StatusServiceUnavailable
	})
	if code != http.StatusOK {
		t.Errorf("beside idle connections of the same address: %d", code)
	}
	closed := make(chan error, len(idle))
	for _, conn := range idle { // the server learns in any order that they idle
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		go func() {
			_, err := conn.Read(make([]byte, 1))
			closed <- err
		}()
	}
	if err := <-closed; !errors.Is(err, io.EOF) {
		t.Errorf("the first of the connections that idled to end: %v", err)
	}
	fmt.Fprint(other, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if code := status(t, other); code != http.StatusOK {
		t.Errorf("another address's connection: %d", code)
	}
}
