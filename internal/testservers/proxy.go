package testservers

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Proxy passes TCP connections on to a server until it is cut.
type Proxy struct {
	Address string // host:port

	target string

	mu          sync.Mutex
	cut         bool
	connections map[net.Conn]struct{}
}

// StartProxy starts a proxy in front of a server's address.
func StartProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Address: listener.Addr().String(), target: target, connections: make(map[net.Conn]struct{})}
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

func (p *Proxy) pass(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.target)
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
		copyAndClose(server, client)
	}()
	copyAndClose(client, server)
	<-done
}

// copyAndClose closes both when one side has ended, which ends the other way too.
func copyAndClose(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	to.Close()
	from.Close()
}

func (p *Proxy) admit(connections ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range connections {
		p.connections[c] = struct{}{}
	}
	if p.cut {
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
