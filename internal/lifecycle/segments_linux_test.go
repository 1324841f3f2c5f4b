package lifecycle_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	"golang.org/x/sys/unix"

	"syncline/internal/lifecycle"
	"syncline/internal/testservers"
)

// What a WebSocket frame consists of, its header and a message that does not fit behind it, goes out as one
// segment, by one call to the kernel.
func TestBuffersGoOutTogether(t *testing.T) {
	t.Parallel()
	const frames, size = 10, 2000
	address := serve(t, lifecycle.Listener{Connections: lifecycle.Connections{Most: 16}, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		for range frames {
			if _, err := (&net.Buffers{make([]byte, size/2), make([]byte, size/2)}).WriteTo(conn); err != nil {
				t.Error(err)
			}
			if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil { // until the frame was read
				t.Error(err)
			}
		}
	})})
	var conn net.Conn
	testservers.Await(t, "it listens", func(context.Context) bool {
		var err error
		conn, err = net.Dial("tcp", address)
		return err == nil
	})
	defer conn.Close()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	for range frames {
		if _, err := io.ReadFull(conn, make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var info *unix.TCPInfo
	_ = raw.Control(func(fd uintptr) { info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) })
	if err != nil {
		t.Fatal(err)
	}
	if info.Data_segs_in > frames+frames/2 { // but for what the kernel sends again
		t.Errorf("%d frames came in %d segments", frames, info.Data_segs_in)
	}
}
