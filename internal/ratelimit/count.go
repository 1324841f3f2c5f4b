package ratelimit

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync"

	"github.com/felixge/httpsnoop"
)

// counter counts what a request takes in and gives out. What is taken over as a
// WebSocket is counted as it comes and goes, headers of its frames included.
type counter struct {
	visit    *visit
	writer   http.ResponseWriter
	body     *countedBody
	out      int
	upgraded bool
}

func count(w http.ResponseWriter, r *http.Request, v *visit) *counter {
	c := &counter{visit: v}
	if r.Body != nil && r.Body != http.NoBody {
		c.body = &countedBody{ReadCloser: r.Body}
		r.Body = c.body
	}
	c.writer = httpsnoop.Wrap(w, httpsnoop.Hooks{
		Write: func(write httpsnoop.WriteFunc) httpsnoop.WriteFunc {
			return func(b []byte) (int, error) {
				n, err := write(b)
				c.send(n)
				return n, err
			}
		},
		ReadFrom: func(readFrom httpsnoop.ReadFromFunc) httpsnoop.ReadFromFunc {
			return func(src io.Reader) (int64, error) {
				n, err := readFrom(src)
				c.send(int(n))
				return n, err
			}
		},
		Hijack: func(hijack httpsnoop.HijackFunc) httpsnoop.HijackFunc {
			return func() (net.Conn, *bufio.ReadWriter, error) {
				conn, buffered, err := hijack()
				if err == nil {
					c.upgraded = true
					conn = &countedConn{Conn: conn, visit: v}
				}
				return conn, buffered, err
			}
		},
	})
	return c
}

// send counts bytes of an answer. Those of a stream are charged as they go.
func (c *counter) send(n int) {
	if c.visit.stream {
		c.visit.charge(bytesOut, n)
	} else {
		c.out += n
	}
}

// end charges what a request took, and ends its visit. A connection that was taken over goes on.
func (c *counter) end() {
	if c.upgraded {
		return
	}
	if c.body != nil {
		c.visit.charge(bytesIn, c.body.read)
	}
	c.visit.charge(bytesOut, c.out)
	c.visit.end()
}

type countedBody struct {
	io.ReadCloser
	read int
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read += n
	return n, err
}

// countedConn charges its visit as it goes, and ends it when it is closed.
type countedConn struct {
	net.Conn
	visit  *visit
	closed sync.Once
}

func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.visit.charge(bytesIn, n)
	return n, err
}

func (c *countedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.visit.charge(bytesOut, n)
	return n, err
}

func (c *countedConn) Close() error {
	c.closed.Do(c.visit.end)
	return c.Conn.Close()
}
