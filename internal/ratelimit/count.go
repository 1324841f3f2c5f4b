package ratelimit

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync"

	"syncline/internal/responsewriter"
)

// counter counts what a request takes in and gives out. What is taken over as a
// WebSocket is counted as it comes and goes, headers of its frames included.
type counter struct {
	responsewriter.Wrapper
	visit    *visit
	body     countedBody
	out      int
	upgraded bool
}

func count(w http.ResponseWriter, r *http.Request, v *visit) *counter {
	c := &counter{Wrapper: responsewriter.Wrapper{ResponseWriter: w}, visit: v}
	if r.Body != nil && r.Body != http.NoBody {
		c.body.ReadCloser = r.Body
		r.Body = &c.body
	}
	return c
}

// Write implements io.Writer.
func (c *counter) Write(b []byte) (int, error) {
	n, err := c.Wrapper.Write(b)
	c.send(n)
	return n, err
}

// Hijack implements http.Hijacker.
func (c *counter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := c.Wrapper.Hijack()
	if err != nil {
		return nil, nil, err
	}
	c.upgraded = true
	return &countedConn{Conn: conn, visit: c.visit}, buffered, nil
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
	c.visit.charge(bytesIn, c.body.read)
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
