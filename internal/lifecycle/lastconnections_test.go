package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"syncline/internal/testservers"
)

// Whoever is connected when a server stops is still accepted, also if nobody had
// come to it; who comes later is refused.
func TestThoseWhoWaitAreAccepted(t *testing.T) {
	t.Parallel()
	listener, err := Listener{Address: "127.0.0.1:0"}.bind(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	const waiting = 5
	for range waiting { // the kernel connects them
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	port := listener.Addr().(*net.TCPAddr).Port
	testservers.Await(t, "all wait in the kernel's queue", func(context.Context) bool {
		sockets, err := os.ReadFile("/proc/self/net/tcp")
		return err == nil && strings.Contains(string(sockets), fmt.Sprintf("0100007F:%04X 00000000:0000 0A 00000000:%08X", port, waiting))
	})
	if err := listener.Close(); err != nil {
		t.Error(err)
	}
	if conn, err := net.DialTimeout("tcp", address, 100*time.Millisecond); err == nil {
		conn.Close()
		t.Error("behind those who wait somebody is let in, and would be reset")
	}
	for range waiting {
		conn, err := listener.Accept()
		if err != nil {
			t.Fatal("one that was connected: ", err)
		}
		conn.Close()
	}
	if _, err := listener.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("when all were accepted: %v", err)
	}
	if conn, err := net.Dial("tcp", address); err == nil {
		conn.Close()
		t.Error("after the end somebody is still let in")
	}
}

// Close ends an Accept that waits.
func TestCloseEndsAccept(t *testing.T) {
	t.Parallel()
	listener, err := Listener{Address: "127.0.0.1:0"}.bind(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := listener.Accept()
		ended <- err
	}()
	if err := listener.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept: %v", err)
	}
}
