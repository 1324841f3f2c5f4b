package lifecycle

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"syncline/internal/clientaddr"
)

// Connections bounds those that a listener has open.
type Connections struct {
	// Most is how many there may be; 0: no bound.
	Most int
	// Trusted tells whether an address is a proxy's. Of any other there is a quarter
	// of Most at a time. Nil: none is.
	Trusted func(netip.Addr) bool
}

const (
	addressPart = 4
	// idleGrace is how long a connection that waits for a request is left alone
	// when others cannot get in.
	idleGrace = time.Second
	// kernelBuffer is what the kernel keeps of a connection in each direction:
	// enough for 5 MB a second over 100 ms, and bounded, as all else that a client
	// can have the server hold.
	kernelBuffer = 256 << 10
)

// refusal is sent to a connection that is one too many.
const refusal = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"

// boundedListener keeps the bound. When it is reached, or an address has its share,
// the connection (of that address) that waits longest for a request gives way, or
// else the new one is refused.
type boundedListener struct {
	net.Listener
	bound     Connections
	encrypted bool // so that a refusal in plain text says nothing

	mu      sync.Mutex
	open    int
	of      map[netip.Prefix]int
	waiting map[net.Conn]time.Time // for a request, since
}

func newBoundedListener(l net.Listener, bound Connections, encrypted bool) *boundedListener {
	return &boundedListener{Listener: l, bound: bound, encrypted: encrypted, of: make(map[netip.Prefix]int), waiting: make(map[net.Conn]time.Time)}
}

// Accept implements net.Listener.
func (l *boundedListener) Accept() (net.Conn, error) {
	for {
		runtime.Gosched() // requests that are here come before connections that are not
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		stream, ok := conn.(stream)
		if !ok {
			return conn, nil
		}
		_ = stream.SetReadBuffer(kernelBuffer) // a hint
		_ = stream.SetWriteBuffer(kernelBuffer)
		p := l.admit(stream)
		if tcp, ok := conn.(*net.TCPConn); ok && p != nil {
			return &boundedTCPConn{TCPConn: tcp, place: p}, nil
		}
		if p != nil {
			return &boundedConn{stream: stream, place: p}, nil
		}
		if !l.encrypted {
			_ = stream.SetWriteDeadline(time.Now().Add(time.Second)) // it fits into the kernel's buffer
			_, _ = io.WriteString(stream, refusal)
		}
		_ = stream.Close()
	}
}

// admit gives a connection its place; nil if there is none.
func (l *boundedListener) admit(conn net.Conn) *place {
	p := &place{listener: l}
	if peer, err := netip.ParseAddrPort(conn.RemoteAddr().String()); err == nil {
		address := peer.Addr().Unmap()
		if l.bound.Trusted == nil || !l.bound.Trusted(address) {
			p.network = clientaddr.Network(address)
		}
	}
	l.mu.Lock()
	share := p.network.IsValid() && l.of[p.network] >= max(1, l.bound.Most/addressPart)
	var idlest net.Conn
	if share || l.open >= l.bound.Most {
		of := netip.Prefix{}
		if share {
			of = p.network
		}
		if idlest = l.idlest(time.Now(), of); idlest == nil {
			l.mu.Unlock()
			return nil
		}
		delete(l.waiting, idlest)
	}
	l.open++
	if p.network.IsValid() {
		l.of[p.network]++
	}
	l.mu.Unlock()
	if idlest != nil {
		_ = idlest.Close()
	}
	return p
}

// idlest is the connection that waits longest for a request, of a network if that
// is valid, under the mutex.
func (l *boundedListener) idlest(now time.Time, of netip.Prefix) (found net.Conn) {
	oldest := now.Add(-idleGrace)
	for conn, since := range l.waiting {
		c, ok := conn.(interface{ of() netip.Prefix })
		if since.Before(oldest) && (!of.IsValid() || ok && c.of() == of) {
			found, oldest = conn, since
		}
	}
	return found
}

// note is told by net/http what becomes of a connection.
func (l *boundedListener) note(conn net.Conn, state http.ConnState) {
	if encrypted, ok := conn.(*tls.Conn); ok {
		conn = encrypted.NetConn() // is what counts, and what is closed
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if state == http.StateNew || state == http.StateIdle {
		l.waiting[conn] = time.Now()
	} else {
		delete(l.waiting, conn)
	}
}

// stream is what connections over TCP and over Unix sockets can do.
type stream interface {
	net.Conn
	CloseWrite() error // which net/http asks for
	SetReadBuffer(bytes int) error
	SetWriteBuffer(bytes int) error
}

// place is what a connection has among those that a listener may have open.
type place struct {
	listener *boundedListener
	network  netip.Prefix // whose share it is of, if anybody's
	left     sync.Once
}

func (p *place) of() netip.Prefix { return p.network }

// leave gives the place up, the first time.
func (p *place) leave(conn net.Conn) {
	p.left.Do(func() {
		l := p.listener
		l.mu.Lock()
		defer l.mu.Unlock()
		l.open--
		delete(l.waiting, conn)
		if p.network.IsValid() {
			if l.of[p.network]--; l.of[p.network] == 0 {
				delete(l.of, p.network)
			}
		}
	})
}

// boundedConn is a connection that has a place until it is closed.
type boundedConn struct {
	stream
	*place
}

// Close implements net.Conn.
func (c *boundedConn) Close() error {
	c.leave(c)
	return c.stream.Close()
}

// boundedTCPConn is a boundedConn over TCP. By its concrete type net.Buffers knows that it writes
// several buffers, such as those of a frame, by one call to the kernel and in one segment.
type boundedTCPConn struct {
	*net.TCPConn
	*place
}

// Close implements net.Conn.
func (c *boundedTCPConn) Close() error {
	c.leave(c)
	return c.TCPConn.Close()
}
