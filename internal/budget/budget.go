// Package budget shares an amount of memory among requests: who asks for more
// than is left waits for a moment, and is then refused. Nothing is allocated
// here; whoever works on a request says what it may come to hold.
//
//	pool := budget.New(64 << 20)
//	grant, err := pool.Acquire(ctx, worst, budget.Share{Name: owner, Part: 4})
//	if err != nil {
//		return err // try again later
//	}
//	defer grant.Release()
//	...
//	grant.Shrink(actual)
package budget

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// ErrFull is returned to whoever waited in vain, or was one too many to wait.
var ErrFull = errors.New("budget: no memory is left for this request")

const (
	// patience is how long a request waits for memory. It is longer than a
	// stalled peer may keep it.
	patience = 3 * time.Second
	// stall is how long a peer may make no progress while others wait.
	stall = time.Second
	// lookEvery is how often stalled peers are looked for while others wait.
	lookEvery = 250 * time.Millisecond
	// maxWaiting bounds those who wait, for they hold something, too.
	maxWaiting = 1024
)

// Pool is the memory. It is safe for concurrent use. A nil Pool grants all.
//
// A quarter of it is kept for small grants, of up to a 32nd of the pool each: they
// are over soon, and must not wait until large answers have reached slow peers.
type Pool struct {
	size  int64
	began time.Time

	mu      sync.Mutex
	used    int64
	large   int64            // of used, by grants that are not small
	held    map[string]int64 // by the name of a share
	waiting []*waiter        // in the order in which they came
	watched map[*Grant]struct{}
	looking bool
	refused atomic.Int64
}

// Share bounds what one of those has who use the pool.
type Share struct {
	Name string // an owner, an address
	// Part is the share's bound: that part of the pool, 4 for a quarter. Whoever
	// holds nothing gets what is asked for in any case.
	Part int64
}

// New makes a pool of a number of bytes.
func New(bytes int64) *Pool {
	return &Pool{size: bytes, began: time.Now(), held: make(map[string]int64), watched: make(map[*Grant]struct{})}
}

// Grant is memory that a request may use. It is safe for concurrent use. A nil
// Grant is one of a nil Pool.
type Grant struct {
	pool   *Pool
	shares []Share
	large  bool
	moved  atomic.Int64 // when its peer made progress, in nanoseconds of the pool's life

	// Under the pool's mutex.
	bytes int64
	cut   func()
}

type waiter struct {
	grant   *Grant
	granted chan struct{}
}

// Acquire gets a number of bytes, at once or after a wait of up to three
// seconds, in the order in which requests came, as far as their shares allow.
// Whoever asks for more than there is gets all of it. The error is ErrFull or
// ctx's.
func (p *Pool) Acquire(ctx context.Context, bytes int64, shares ...Share) (*Grant, error) {
	if p == nil {
		return nil, nil
	}
	g := &Grant{pool: p, shares: shares, bytes: bytes, large: bytes > p.size/32}
	if g.large {
		g.bytes = min(bytes, p.size/4*3)
	}
	p.mu.Lock()
	if len(p.waiting) == 0 && p.room(g) == nothing {
		p.take(g, g.bytes)
		p.mu.Unlock()
		return g, nil
	}
	if len(p.waiting) == maxWaiting {
		p.mu.Unlock()
		p.refused.Add(1)
		return nil, ErrFull
	}
	w := &waiter{grant: g, granted: make(chan struct{})}
	p.waiting = append(p.waiting, w)
	p.serve()
	p.look()
	p.mu.Unlock()
	return p.wait(ctx, w)
}

func (p *Pool) wait(ctx context.Context, w *waiter) (*Grant, error) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	err := ErrFull
	select {
	case <-w.granted:
		return w.grant, nil
	case <-timer.C:
	case <-ctx.Done():
		err = ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.waiting, w)
	if i < 0 { // granted just now
		return w.grant, nil
	}
	p.waiting = slices.Delete(p.waiting, i, i+1)
	p.serve() // who came later may fit
	p.refused.Add(1)
	return nil, err
}

// obstacle is what a grant waits for.
type obstacle int

const (
	nothing  obstacle = iota
	ownShare          // others may go first
	thePool
)

// room tells what keeps a grant from being given, under the mutex.
func (p *Pool) room(g *Grant) obstacle {
	for _, share := range g.shares {
		if held := p.held[share.Name]; held > 0 && held+g.bytes > p.size/share.Part {
			return ownShare
		}
	}
	small := p.used - p.large
	switch {
	case g.large && p.large+g.bytes > p.size/4*3, p.used+g.bytes > p.size:
		return thePool
	case !g.large && small+g.bytes > p.size/4 && slices.ContainsFunc(p.waiting, func(w *waiter) bool { return w.grant.large }):
		return thePool
	}
	return nothing
}

// serve gives memory to those who wait and for whom there is room, under the
// mutex. Who waits for the pool holds up those of its kind behind it, so that
// large ones get their turn; who waits for its share, those of the same share.
func (p *Pool) serve() {
	var full [2]bool // for small and large ones
	var blocked []Share
	kind := func(g *Grant) int {
		if g.large {
			return 1
		}
		return 0
	}
	p.waiting = slices.DeleteFunc(p.waiting, func(w *waiter) bool {
		g := w.grant
		if full[kind(g)] || slices.ContainsFunc(g.shares, func(s Share) bool { return slices.Contains(blocked, s) }) {
			return false
		}
		switch p.room(g) {
		case ownShare:
			blocked = append(blocked, g.shares...)
			return false
		case thePool:
			full[kind(g)] = true
			return false
		}
		p.take(g, g.bytes)
		close(w.granted)
		return true
	})
}

// take moves bytes to a grant, or back if they are below zero, under the mutex.
func (p *Pool) take(g *Grant, bytes int64) {
	p.used += bytes
	if g.large {
		p.large += bytes
	}
	for _, share := range g.shares {
		if held := p.held[share.Name] + bytes; held == 0 {
			delete(p.held, share.Name)
		} else {
			p.held[share.Name] = held
		}
	}
}

// Shrink gives back what is more than a number of bytes.
func (g *Grant) Shrink(bytes int64) {
	if g == nil {
		return
	}
	p := g.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if bytes >= g.bytes {
		return
	}
	p.take(g, bytes-g.bytes)
	g.bytes = bytes
	if len(p.waiting) > 0 {
		p.serve()
	}
}

// Grow gets more without waiting, up to a number of bytes in all. It is false if
// there is no room.
func (g *Grant) Grow(bytes int64) bool {
	if g == nil {
		return true
	}
	p := g.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	more := bytes - g.bytes
	if more <= 0 {
		return true
	}
	if p.used+more > p.size || g.large && p.large+more > p.size/4*3 {
		p.refused.Add(1)
		return false
	}
	for _, share := range g.shares {
		if held := p.held[share.Name]; held > g.bytes && held+more > p.size/share.Part {
			p.refused.Add(1)
			return false
		}
	}
	p.take(g, more)
	g.bytes = bytes
	return true
}

// Release gives all back. It may be called more than once.
func (g *Grant) Release() {
	if g == nil {
		return
	}
	g.Unwatch()
	g.Shrink(0)
}

// Watch has cut called, once, if the grant's peer makes no progress for about a
// second while others wait for memory: it was given for as long as the peer
// takes, and must not be held by one that only stays. cut does not call back.
func (g *Grant) Watch(cut func()) {
	if g == nil {
		return
	}
	g.Moved()
	g.pool.mu.Lock()
	defer g.pool.mu.Unlock()
	g.cut = cut
	g.pool.watched[g] = struct{}{}
}

// Unwatch ends Watch.
func (g *Grant) Unwatch() {
	if g == nil {
		return
	}
	g.pool.mu.Lock()
	defer g.pool.mu.Unlock()
	g.cut = nil
	delete(g.pool.watched, g)
}

// Moved tells that the grant's peer made progress.
func (g *Grant) Moved() {
	if g != nil {
		g.moved.Store(int64(time.Since(g.pool.began)))
	}
}

// look looks for stalled peers while somebody waits, under the mutex.
func (p *Pool) look() {
	if p.looking || len(p.waiting) == 0 {
		return
	}
	p.looking = true
	time.AfterFunc(lookEvery, p.cutStalled)
}

func (p *Pool) cutStalled() {
	var cuts []func()
	p.mu.Lock()
	p.looking = false
	if len(p.waiting) > 0 {
		now := time.Since(p.began)
		for g := range p.watched {
			if now-time.Duration(g.moved.Load()) >= stall {
				cuts = append(cuts, g.cut)
				delete(p.watched, g)
			}
		}
	}
	p.look()
	p.mu.Unlock()
	for _, cut := range cuts {
		cut()
	}
}

// Size is how many bytes the pool has.
func (p *Pool) Size() int64 { return p.size }

// Used is how many bytes are granted now.
func (p *Pool) Used() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.used
}

// Waiting is how many requests wait now.
func (p *Pool) Waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.waiting)
}

// Refused is how many requests got nothing so far.
func (p *Pool) Refused() int64 { return p.refused.Load() }
