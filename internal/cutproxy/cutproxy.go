// Package cutproxy is a bad network for tests: a TCP proxy on loopback that
// cuts each connection after a chosen number of bytes.
package cutproxy

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// Whole is a limit that lets a connection live.
const Whole = -1

// Proxy forwards connections to one address. Its methods may be called by
// several goroutines.
type Proxy struct {
	listener net.Listener
	target   string
	limit    func() int64
	cuts     atomic.Int64
	running  sync.WaitGroup

	mu     sync.Mutex
	closed bool
	open   map[net.Conn]struct{}
}

// Listen starts a proxy to a target, host:port. For each connection limit says
// how many bytes pass, of both directions together, before both ends are cut;
// negative (Whole) means all. Of the read that would exceed it, the bytes up to
// the limit still pass.
func Listen(target string, limit func() int64) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: l, target: target, limit: limit, open: map[net.Conn]struct{}{}}
	p.running.Go(p.accept)
	return p, nil
}

// Addr is where the proxy listens, host:port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Cuts is how many connections reached their limit or were cut by Cut.
func (p *Proxy) Cuts() int { return int(p.cuts.Load()) }

// Cut cuts every connection that is open now.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cuts.Add(int64(len(p.open)) / 2)
	for c := range p.open {
		_ = c.Close()
	}
}

// Close stops listening, cuts what is open and waits for it to end.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	for c := range p.open {
		_ = c.Close()
	}
	p.mu.Unlock()
	err := p.listener.Close()
	p.running.Wait()
	return err
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.running.Go(func() { p.serve(client) })
	}
}

func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer server.Close()
	if !p.track(client, server) {
		return
	}
	defer p.forget(client, server)
	left := &budget{left: p.limit()}
	if left.left < 0 {
		left = nil
	}
	ended := make(chan error, 2)
	go func() { ended <- forward(server, client, left) }()
	go func() { ended <- forward(client, server, left) }()
	if errors.Is(<-ended, errCut) {
		p.cuts.Add(1)
	}
	_ = client.Close()
	_ = server.Close()
	<-ended
}

func (p *Proxy) track(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	for _, c := range conns {
		p.open[c] = struct{}{}
	}
	return true
}

func (p *Proxy) forget(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		delete(p.open, c)
	}
}

var errCut = errors.New("cut")

// budget is how much may still pass on one connection; nil means all.
type budget struct {
	mu   sync.Mutex
	left int64
}

// take answers how many of n bytes may pass.
func (b *budget) take(n int) (pass int, last bool) {
	if b == nil {
		return n, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	pass = int(min(int64(n), b.left))
	b.left -= int64(pass)
	return pass, b.left == 0
}

func forward(to io.Writer, from io.Reader, left *budget) error {
	buf := make([]byte, 16<<10)
	for {
		n, err := from.Read(buf)
		pass, last := left.take(n)
		if _, err := to.Write(buf[:pass]); err != nil {
			return err
		}
		if last {
			return errCut
		}
		if err != nil {
			return err
		}
	}
}
