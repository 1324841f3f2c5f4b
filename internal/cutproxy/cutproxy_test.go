package cutproxy_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"syncline/internal/cutproxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCutsAfterSoManyBytes(t *testing.T) {
	for _, limit := range []int64{0, 1, 1000} {
		p := listen(t, func() int64 { return limit })
		got, err := send(t, p, make([]byte, 5000))
		// A cut connection may end in a reset, which takes back what was on its way.
		if int64(len(got)) > limit {
			t.Errorf("limit %d: %d bytes came through, then %v", limit, len(got), err)
		}
		_ = p.Close() // waits for the count
		if p.Cuts() != 1 {
			t.Errorf("limit %d: %d cuts counted", limit, p.Cuts())
		}
	}
}

func TestLetsWholeConnectionsLive(t *testing.T) {
	p := listen(t, func() int64 { return cutproxy.Whole })
	sent := bytes.Repeat([]byte("whole"), 10000)
	got, err := send(t, p, sent)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d of %d bytes came back, then %v", len(got), len(sent), err)
	}
	if p.Cuts() != 0 {
		t.Errorf("%d cuts counted", p.Cuts())
	}
}

func TestCutEndsOpenConnections(t *testing.T) {
	p := listen(t, func() int64 { return cutproxy.Whole })
	conn := dial(t, p)
	if _, err := conn.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	p.Cut()
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a cut connection: %v", err)
	}
	if p.Cuts() != 1 {
		t.Errorf("%d cuts counted", p.Cuts())
	}
}

func listen(t *testing.T, limit func() int64) *cutproxy.Proxy {
	t.Helper()
	p, err := cutproxy.Listen(echo(t), limit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func dial(t *testing.T, p *cutproxy.Proxy) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// send answers what came back, and why no more did.
func send(t *testing.T, p *cutproxy.Proxy, data []byte) ([]byte, error) {
	t.Helper()
	conn := dial(t, p)
	go conn.Write(data)
	got := make([]byte, len(data))
	n, err := io.ReadFull(conn, got)
	return got[:n], err
}

// echo is a server that sends back what it gets.
func echo(t *testing.T) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	return l.Addr().String()
}
