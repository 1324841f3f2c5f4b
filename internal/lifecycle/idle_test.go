package lifecycle_test

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"syncline/internal/lifecycle"
)

// pipes accepts connections that are made in memory.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	conn, open := <-p
	if !open {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (p pipes) Close() error { close(p); return nil }

func (pipes) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "unix"} }

// A connection that is idle is closed by the proxy in front, never by the server under a request that is on its way: the
// server keeps it for longer than any proxy does by default. docs/operations.md names them, and the server's 65 minutes.
func TestIdleConnectionsOutliveThoseOfProxies(t *testing.T) {
	t.Parallel()
	const longestOfProxies = time.Hour // Envoy's
	synctest.Test(t, func(t *testing.T) {
		server := lifecycle.Server{Log: slog.New(slog.DiscardHandler)}
		web := server.HTTPServer(lifecycle.Listener{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})})
		listener, served := make(pipes), make(chan error, 1)
		go func() { served <- web.Serve(listener) }()
		defer func() {
			_ = web.Close()
			if err := <-served; !errors.Is(err, http.ErrServerClosed) {
				t.Error(err)
			}
		}()
		ours, theirs := net.Pipe()
		listener <- theirs
		answers := bufio.NewReader(ours)
		for _, idle := range []time.Duration{0, longestOfProxies, 64 * time.Minute} {
			<-time.After(idle) // by the clock of the test
			if _, err := io.WriteString(ours, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
				t.Fatalf("after %v without a request: %v", idle, err)
			}
			answer, err := http.ReadResponse(answers, nil)
			if err != nil || answer.StatusCode != http.StatusOK || answer.Close {
				t.Fatalf("after %v without a request: %+v, %v", idle, answer, err)
			}
		}
		began := time.Now()
		if _, err := answers.ReadByte(); !errors.Is(err, io.EOF) || time.Since(began) > 66*time.Minute {
			t.Errorf("after %v without a request: %v; want the connection closed after 65 minutes", time.Since(began), err)
		}
	})
}
