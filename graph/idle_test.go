package graph_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
)

// An idle subscription over a WebSocket takes at most 17 kB of heap and stacks,
// and has one goroutine, which reads. The client's side is in this process too:
// a socket and little more. Not parallel, because it measures the process.
func TestMemoryOfIdleSubscriptions(t *testing.T) {
	const sockets = 400
	const client = 1500
	most := uint64(17_000 + client)
	if raceDetector {
		most *= 4 // what it remembers
	}
	a := newAPI(t, options{})
	before, connections := inUse(), make([]net.Conn, sockets)
	goroutines := runtime.NumGoroutine()
	for i := range connections {
		connections[i] = idle(t, a.url, fmt.Sprint("owner", i))
	}
	each := (inUse() - before) / sockets
	t.Logf("%d bytes for each of %d idle subscriptions", each, sockets)
	if each > most {
		t.Errorf("an idle subscription takes %d bytes, at most %d", each, most)
	}
	if more := runtime.NumGoroutine() - goroutines; more > sockets+sockets/10 {
		t.Errorf("%d idle subscriptions have %d goroutines", sockets, more)
	}
	for _, c := range connections {
		_ = c.Close()
	}
}

// inUse collects first: stacks shrink by half with each collection.
func inUse() uint64 {
	for range 5 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// idle subscribes to an owner's records by hand, and waits until it is live.
func idle(t *testing.T, url, owner string) net.Conn {
	t.Helper()
	address := strings.TrimPrefix(url, "http://")
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Protocol: graphql-transport-ws\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", address)
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(resp, err)
	}
	_ = resp.Body.Close()
	sendText(t, c, `{"type":"connection_init","payload":{"owner":"`+owner+`"}}`)
	sendText(t, c, `{"type":"subscribe","id":"1","payload":{"query":"subscription {recordChanged {kind record {id data} cursor}}"}}`)
	for _, want := range []string{"connection_ack", "CAUGHT_UP"} { // the acknowledgement and the first event
		if got := readText(t, r); !strings.Contains(got, want) {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
	return c
}

// sendText sends a frame, masked by zeros.
func sendText(t *testing.T, c net.Conn, text string) {
	t.Helper()
	frame := []byte{0x81, 0x80 | 126, byte(len(text) >> 8), byte(len(text)), 0, 0, 0, 0}
	if len(text) < 126 {
		frame = []byte{0x81, 0x80 | byte(len(text)), 0, 0, 0, 0}
	}
	if _, err := c.Write(append(frame, text...)); err != nil {
		t.Fatal(err)
	}
}

func readText(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	var head [2]byte
	if _, err := r.Read(head[:1]); err != nil {
		t.Fatal(err)
	}
	n, _ := r.ReadByte()
	size := int(n)
	if n == 126 {
		high, _ := r.ReadByte()
		low, _ := r.ReadByte()
		size = int(high)<<8 | int(low)
	}
	text := make([]byte, size)
	if _, err := io.ReadFull(r, text); err != nil {
		t.Fatal(err)
	}
	return string(text)
}
