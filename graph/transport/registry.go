package transport

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// connection is a WebSocket or an event stream.
type connection interface {
	// retire ends the connection in order.
	retire()
	// abort cuts it off.
	abort()
}

// registry knows the connections that are open.
type registry struct {
	mu      sync.Mutex
	closed  bool
	members map[connection]struct{}
	streams int           // how many of them are event streams
	gone    chan struct{} // closed when closed and empty
}

func newRegistry() *registry {
	return &registry{members: make(map[connection]struct{}), gone: make(chan struct{})}
}

// add is false once shutdown has begun.
func (r *registry) add(c connection) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.members[c] = struct{}{}
		if _, ok := c.(*stream); ok {
			r.streams++
		}
	}
	return !r.closed
}

func (r *registry) remove(c connection) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.members[c]; !ok {
		return
	}
	delete(r.members, c)
	if _, ok := c.(*stream); ok {
		r.streams--
	}
	if r.closed && len(r.members) == 0 {
		close(r.gone)
	}
}

func (r *registry) shutdown(ctx context.Context, spread time.Duration) error {
	for _, c := range r.close() {
		time.AfterFunc(upTo(spread), c.retire)
	}
	select {
	case <-r.gone:
		return nil
	case <-ctx.Done():
	}
	r.mu.Lock() // who is a member is not gone, and may be touched
	defer r.mu.Unlock()
	for c := range r.members {
		c.abort()
	}
	return ctx.Err()
}

// close stops new connections and answers the present ones.
func (r *registry) close() []connection {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.closed = true
		if len(r.members) == 0 {
			close(r.gone)
		}
	}
	return r.list()
}

func (r *registry) list() []connection {
	list := make([]connection, 0, len(r.members))
	for c := range r.members {
		list = append(list, c)
	}
	return list
}

// upTo is a random duration from 0 to d.
func upTo(d time.Duration) time.Duration {
	return time.Duration(rand.Int64N(int64(d) + 1)) //nolint:gosec // spreads load, keeps no secret
}

func (r *registry) count() (sockets, streams int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.members) - r.streams, r.streams
}

func (r *registry) isClosed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}
