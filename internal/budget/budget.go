// Package budget shares an amount of memory among requests: who asks for more
// than is left waits for a moment, and is then refused. Nothing is allocated
// here; the code that works on a request says what it may come to hold.
//
// Those whose peers kept much for long lately wait behind those whose did not, and
// what a peer does not take is taken back sooner from them. So a client that lets
// answers lie waits for itself, with however many keys and connections.
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

// ErrFull is returned for a request that waited in vain, or was one too many to wait.
var ErrFull = errors.New("budget: no memory is left for this request")

const (
	// waitTime is how long a request waits for memory. It is longer than a
	// stalled peer may keep it.
	waitTime = 3 * time.Second
	// maxWaiting bounds those who wait, for they hold something, too.
	maxWaiting = 512
)

// Pool is the memory. It is safe for concurrent use. A nil Pool grants all.
//
// Some of it is kept for small grants: see kind.
type Pool struct {
	size int64

	mu      sync.Mutex
	used    [kinds]int64
	holders map[string]*holder // by the name of a share
	waiting []*waiter          // in the order in which they came
	watched map[*Grant]struct{}
	looking bool
	refused atomic.Int64
	// forgetAt is at how many holders those are forgotten that owe nothing.
	forgetAt int
}

// Share bounds what one of those has who use the pool.
type Share struct {
	Name string // an owner, an address
	// Part is the share's bound: that part of the pool, and of those who may wait,
	// 4 for a quarter. Whoever holds nothing gets what is asked for in any case.
	Part int64
}

// New makes a pool of a number of bytes.
func New(bytes int64) *Pool {
	return &Pool{size: bytes, holders: make(map[string]*holder), watched: make(map[*Grant]struct{}), forgetAt: minHolders}
}

// Grant is memory that a request may use. It is safe for concurrent use. A nil
// Grant is one of a nil Pool.
type Grant struct {
	pool   *Pool
	shares []Share

	// Under the pool's mutex.
	kind     kind
	bytes    int64
	released bool
	peer     *Progress
	cut      func()

	cutting sync.Mutex // held while cut runs; taken before the pool's
}

// Shares are those that it was acquired with.
func (g *Grant) Shares() []Share { return g.shares }

type waiter struct {
	grant *Grant
	done  chan struct{}
	rank  int // when it was last looked at
	// refused says that another had to be let in; read when done is closed.
	refused bool
}

// Acquire gets a number of bytes, at once or after a wait of up to three
// seconds: those of low debt first, else in the order in which requests came, as
// far as their shares allow. Whoever asks for more than there is gets all of it. The error is ErrFull or
// ctx's.
func (p *Pool) Acquire(ctx context.Context, bytes int64, shares ...Share) (*Grant, error) {
	if p == nil {
		return nil, nil
	}
	g := &Grant{pool: p, shares: shares, kind: p.kindOf(bytes)}
	g.bytes = min(bytes, p.most(g.kind))
	p.mu.Lock()
	if what, _ := p.room(g); what == nothing && len(p.waiting) == 0 {
		p.take(g, g.bytes)
		p.mu.Unlock()
		return g, nil
	}
	w := &waiter{grant: g, done: make(chan struct{})}
	if !p.enter(w) {
		p.mu.Unlock()
		p.refused.Add(1)
		return nil, ErrFull
	}
	p.serve()
	p.look()
	p.mu.Unlock()
	return p.wait(ctx, w)
}

func (p *Pool) wait(ctx context.Context, w *waiter) (*Grant, error) {
	timer := time.NewTimer(waitTime)
	defer timer.Stop()
	err := ErrFull
	select {
	case <-w.done:
		return w.outcome()
	case <-timer.C:
	case <-ctx.Done():
		err = ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.waiting, w)
	if i < 0 { // just now
		return w.outcome()
	}
	p.waiting = slices.Delete(p.waiting, i, i+1)
	p.serve() // who came later may fit
	p.refused.Add(1)
	return nil, err
}

// enter has a request wait. If too many do, one of higher debt gives way. It is
// false if there is no place, under the mutex.
func (p *Pool) enter(w *waiter) bool {
	for _, share := range w.grant.shares {
		others := 0
		for _, other := range p.waiting {
			if slices.Contains(other.grant.shares, share) {
				others++
			}
		}
		if int64(others) >= maxWaiting/share.Part {
			return false
		}
	}
	if len(p.waiting) == maxWaiting {
		rank, last := p.rank(w.grant, time.Now()), -1
		for i, other := range p.waiting {
			if other.rank > rank {
				rank, last = other.rank, i
			}
		}
		if last < 0 {
			return false
		}
		p.waiting[last].refused = true
		close(p.waiting[last].done)
		p.waiting = slices.Delete(p.waiting, last, last+1)
	}
	p.waiting = append(p.waiting, w)
	return true
}

func (w *waiter) outcome() (*Grant, error) {
	if w.refused {
		w.grant.pool.refused.Add(1)
		return nil, ErrFull
	}
	return w.grant, nil
}

// obstacle is what a grant waits for.
type obstacle int

const (
	nothing  obstacle = iota
	ownShare          // others may go first
	thePool
)

// room tells what keeps a grant from being given, and which share if it is one,
// under the mutex.
func (p *Pool) room(g *Grant) (obstacle, Share) {
	for _, share := range g.shares {
		if held := p.held(share); held > 0 && held+g.bytes > p.size/share.Part {
			return ownShare, share
		}
	}
	if !p.fits(g.kind, g.bytes) || p.largerWaits(g.kind) && p.usedUpTo(g.kind)+g.bytes > p.size-p.most(g.kind+1) {
		return thePool, Share{}
	}
	return nothing, Share{}
}

// serve gives memory to those who wait and for whom there is room, under the
// mutex. Who waits for the pool holds up those of its kind behind it, so that
// large ones get their turn; who waits for a share, those of that share.
func (p *Pool) serve() {
	now := time.Now()
	for _, w := range p.waiting {
		w.rank = p.rank(w.grant, now)
	}
	slices.SortStableFunc(p.waiting, func(a, b *waiter) int { return a.rank - b.rank })
	var full [kinds]bool
	var blocked []Share
	p.waiting = slices.DeleteFunc(p.waiting, func(w *waiter) bool {
		g := w.grant
		if full[g.kind] || slices.ContainsFunc(g.shares, func(s Share) bool { return slices.Contains(blocked, s) }) {
			return false
		}
		switch what, share := p.room(g); what {
		case ownShare:
			blocked = append(blocked, share)
			return false
		case thePool:
			full[g.kind] = true
			return false
		}
		p.take(g, g.bytes)
		close(w.done)
		return true
	})
}

// take moves bytes to a grant, or back if they are below zero, under the mutex.
func (p *Pool) take(g *Grant, bytes int64) {
	p.used[g.kind] += bytes
	now := time.Now()
	for _, share := range g.shares {
		h := p.holders[share.Name]
		if h == nil {
			h = &holder{at: now}
			p.holders[share.Name] = h
		}
		h.update(now)
		h.held += bytes
		if g.peer != nil {
			h.lent += bytes
		}
	}
	if len(p.holders) >= p.forgetAt {
		p.forget(now)
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
// there is no room, or after Release.
func (g *Grant) Grow(bytes int64) bool {
	if g == nil {
		return true
	}
	p := g.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	more := bytes - g.bytes
	if g.released || more <= 0 {
		return !g.released
	}
	grown := max(g.kind, p.kindOf(bytes))
	p.used[g.kind] -= g.bytes
	fits := p.fits(grown, bytes)
	p.used[g.kind] += g.bytes
	if !fits {
		p.refused.Add(1)
		return false
	}
	for _, share := range g.shares {
		if held := p.held(share); held > g.bytes && held+more > p.size/share.Part {
			p.refused.Add(1)
			return false
		}
	}
	p.used[g.kind] -= g.bytes
	g.kind = grown
	p.used[g.kind] += g.bytes
	p.take(g, more)
	g.bytes = bytes
	return true
}

// Release gives all back. It may be called more than once.
func (g *Grant) Release() {
	if g == nil {
		return
	}
	g.pool.mu.Lock()
	g.released = true
	g.pool.mu.Unlock()
	g.Unwatch()
	g.Shrink(0)
}

// Size is how many bytes the pool has.
func (p *Pool) Size() int64 { return p.size }

// Used is how many bytes are granted now.
func (p *Pool) Used() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.usedUpTo(kinds - 1)
}

// Waiting is how many requests wait now.
func (p *Pool) Waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.waiting)
}

// Refused is how many requests got nothing so far.
func (p *Pool) Refused() int64 { return p.refused.Load() }
