package breez_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
)

// pings counts those that clients send over HTTP/2 without encryption, and the server's answers.
type pings struct{ connections, sent, answered atomic.Int32 }

// dial is for http.Transport.
func (p *pings) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	p.connections.Add(1)
	return &pinged{
		Conn: conn,
		out:  frames{left: len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), ping: func(answer bool) { count(&p.sent, !answer) }},
		in:   frames{ping: func(answer bool) { count(&p.answered, answer) }},
	}, nil
}

func count(n *atomic.Int32, one bool) {
	if one {
		n.Add(1)
	}
}

// mustHaveBeenAnswered is for clients that pinged every 5 s for 155.
func (p *pings) mustHaveBeenAnswered(t *testing.T, name string) {
	t.Helper()
	answered, sent := p.answered.Load(), p.sent.Load()
	t.Logf("%s: %d pings, %d answers", name, sent, answered)
	if sent < 15 { // of 30
		t.Errorf("%s: the client asked %d times", name, sent)
	}
	if answered < sent-1 { // one may be on its way
		t.Errorf("%s: %d answers to %d pings", name, answered, sent)
	}
}

// pinged is a connection whose pings are counted.
type pinged struct {
	net.Conn
	out, in frames
}

func (c *pinged) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.out.pass(b[:n])
	return n, err
}

func (c *pinged) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.in.pass(b[:n])
	return n, err
}

// frames reads one direction of a connection (RFC 9113, 4.1), and has ping called for each ping.
type frames struct {
	left   int // bytes to pass until the next frame begins
	header []byte
	ping   func(answer bool)
}

func (f *frames) pass(b []byte) {
	const headerBytes, pingType, ack = 9, 6, 1
	for len(b) > 0 {
		if f.left > 0 {
			n := min(f.left, len(b))
			f.left, b = f.left-n, b[n:]
			continue
		}
		n := min(headerBytes-len(f.header), len(b))
		f.header, b = append(f.header, b[:n]...), b[n:]
		if len(f.header) < headerBytes {
			return
		}
		f.left = int(f.header[0])<<16 | int(f.header[1])<<8 | int(f.header[2])
		if f.header[3] == pingType {
			f.ping(f.header[4]&ack != 0)
		}
		f.header = f.header[:0]
	}
}
