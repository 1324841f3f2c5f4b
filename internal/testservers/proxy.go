package testservers

import (
	"net"
	"sync"
	"testing"
	"time"
)

// Proxy passes TCP connections on to servers until it is cut.
type Proxy struct {
	Address string // host:port

	targets []string

	mu          sync.Mutex
	cut         bool
	delay       time.Duration
	next        int // of the targets
	refused     int
	connections map[net.Conn]struct{}
}

// StartProxy starts a proxy in front of servers' addresses. Connections are
// shared out in turn among the servers that accept them.
func StartProxy(t testing.TB, targets ...string) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Address: listener.Addr().String(), targets: targets, connections: make(map[net.Conn]struct{})}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return // closed
			}
			running.Go(func() { p.pass(client) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		p.Cut()
		running.Wait()
	})
	return p
}

// Cut closes all connections and those that come.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = true
	for c := range p.connections {
		c.Close()
	}
}

// Mend lets new connections pass again.
func (p *Proxy) Mend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = false
}

// Redirect has new connections go to other servers, and closes those that there are: an address that moves.
func (p *Proxy) Redirect(targets ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.targets = targets
	for c := range p.connections {
		c.Close()
	}
}

// Refused is how many connections were closed at once because the proxy was cut.
func (p *Proxy) Refused() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refused
}

func (p *Proxy) pass(client net.Conn) {
	defer client.Close()
	server, err := p.dial()
	if err != nil {
		return
	}
	defer server.Close()
	if !p.admit(client, server) {
		return
	}
	defer p.forget(client, server)
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.copyAndClose(server, client)
	}()
	p.copyAndClose(client, server)
	<-done
}

// dial connects to the target whose turn it is, or else to one that accepts.
func (p *Proxy) dial() (conn net.Conn, err error) {
	p.mu.Lock()
	first, targets := p.next, p.targets
	p.next++
	p.mu.Unlock()
	for i := range targets {
		conn, err = net.Dial("tcp", targets[(first+i)%len(targets)])
		if err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// copyAndClose closes both when one side has ended, which ends the other way too.
func (p *Proxy) copyAndClose(to, from net.Conn) {
	defer from.Close()
	defer to.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			p.wait()
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// Delay makes what passes wait this long in each direction, as a long cable does.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

func (p *Proxy) wait() {
	p.mu.Lock()
	delay := p.delay
	p.mu.Unlock()
	if delay > 0 {
		<-time.After(delay)
	}
}

func (p *Proxy) admit(connections ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range connections {
		p.connections[c] = struct{}{}
	}
	if p.cut {
		p.refused++
		for _, c := range connections {
			c.Close()
		}
	}
	return !p.cut
}

func (p *Proxy) forget(connections ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range connections {
		delete(p.connections, c)
	}
}
