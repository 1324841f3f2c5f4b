package sse_test

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/sse"
)

// inMemory is a listener whose connections know no time but the test's.
type inMemory struct {
	dialed chan net.Conn
	closed chan struct{}
}

func (l *inMemory) Accept() (net.Conn, error) {
	select {
	case conn := <-l.dialed:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *inMemory) Close() error   { close(l.closed); return nil }
func (l *inMemory) Addr() net.Addr { return &net.TCPAddr{} }

func (l *inMemory) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	l.dialed <- there
	return here, nil
}

// A stream that is quiet for longer than a message may take goes on. Go's HTTP/2 server ends
// one whose deadline passes, also when nothing is to be written.
func TestAQuietStreamOverHTTP2(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		defer store.Close()
		l := &inMemory{make(chan net.Conn), make(chan struct{})}
		handler := sse.NewServerWithOptions(store, nil, sse.ServerOptions{Heartbeat: time.Hour, WriteTimeout: time.Second})
		server := &http.Server{Handler: handler.Handler(), Protocols: new(http.Protocols), ReadHeaderTimeout: time.Minute}
		server.Protocols.SetUnencryptedHTTP2(true)
		go server.Serve(l)
		defer server.Close()
		defer handler.Close()
		transport := &http.Transport{DialContext: l.dial, Protocols: server.Protocols}
		defer transport.CloseIdleConnections()
		res, err := (&http.Client{Transport: transport}).Get("http://memory/")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.ProtoMajor != 2 {
			t.Errorf("the protocol is %s", res.Proto)
		}
		for lines, beats := bufio.NewScanner(res.Body), 0; beats < 2; {
			if !lines.Scan() {
				t.Fatalf("the stream has ended: %v", lines.Err())
			}
			if strings.HasPrefix(lines.Text(), ":") {
				beats++
			}
		}
	})
}
