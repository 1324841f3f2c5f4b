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
	"io"
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
	// stall is how long a peer may make no progress while others wait, and
	// shortStall how long if its debt is higher than that of one of them.
	stall      = time.Second
	shortStall = 100 * time.Millisecond
	// lookEvery is how often stalled peers are looked for while others wait.
	lookEvery = 50 * time.Millisecond
	// maxWaiting bounds those who wait, for they hold something, too.
	maxWaiting = 512
)

// Pool is the memory. It is safe for concurrent use. A nil Pool grants all.
//
// A quarter of it is kept for small grants, of up to a 32nd of the pool each: they
// are over soon, and must not wait until large answers have reached slow peers.
type Pool struct {
	size int64

	mu      sync.Mutex
	used    int64
	large   int64              // of used, by grants that are not small
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
	large  bool

	// Under the pool's mutex.
	bytes int64
	peer  *Progress
	cut   func()

	cutting sync.Mutex // held while cut runs; taken before the pool's
}

// Progress is when a peer was last seen to take or send something. It is safe
// for concurrent use.
type Progress struct{ at atomic.Int64 } // Unix nanoseconds

// Made tells that the peer makes progress now.
func (p *Progress) Made() { p.at.Store(time.Now().UnixNano()) }

// Reader reads from r what a peer sends, and notes each piece as progress.
func (p *Progress) Reader(r io.Reader) io.Reader { return progressReader{r, p} }

type progressReader struct {
	io.Reader
	peer *Progress
}

func (r progressReader) Read(data []byte) (int, error) {
	n, err := r.Reader.Read(data)
	r.peer.Made()
	return n, err
}

func (p *Progress) since(now time.Time) time.Duration {
	return time.Duration(now.UnixNano() - p.at.Load())
}

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
	g := &Grant{pool: p, shares: shares, bytes: bytes, large: bytes > p.size/32}
	if g.large {
		g.bytes = min(bytes, p.size/4*3)
	}
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
	small := p.used - p.large
	switch {
	case g.large && p.large+g.bytes > p.size/4*3, p.used+g.bytes > p.size:
		return thePool, Share{}
	case !g.large && small+g.bytes > p.size/4 && slices.ContainsFunc(p.waiting, func(w *waiter) bool { return w.grant.large }):
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
		switch what, share := p.room(g); what {
		case ownShare:
			blocked = append(blocked, share)
			return false
		case thePool:
			full[kind(g)] = true
			return false
		}
		p.take(g, g.bytes)
		close(w.done)
		return true
	})
}

// take moves bytes to a grant, or back if they are below zero, under the mutex.
func (p *Pool) take(g *Grant, bytes int64) {
	p.used += bytes
	if g.large {
		p.large += bytes
	}
	now := time.Now()
	for _, share := range g.shares {
		h := p.holders[share.Name]
		if h == nil {
			h = &holder{at: now}
			p.holders[share.Name] = h
		}
		h.settle(now)
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
		if held := p.held(share); held > g.bytes && held+more > p.size/share.Part {
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

// Watch has cut called, once, if the peer makes no progress for about a second
// while others wait for this memory: the grant is for as long as the peer takes,
// and must not be held by one that only stays. The second begins now if the peer
// never made progress, else when it last did. cut does not call back.
func (g *Grant) Watch(peer *Progress, cut func()) {
	if g == nil {
		return
	}
	peer.at.CompareAndSwap(0, time.Now().UnixNano())
	g.pool.mu.Lock()
	defer g.pool.mu.Unlock()
	if g.peer == nil {
		g.pool.lend(g, g.bytes)
	}
	g.peer, g.cut = peer, cut
	g.pool.watched[g] = struct{}{}
}

// lend notes bytes that a peer keeps, or no longer if they are below zero, under
// the mutex.
func (p *Pool) lend(g *Grant, bytes int64) {
	now := time.Now()
	for _, share := range g.shares {
		if h := p.holders[share.Name]; h != nil {
			h.settle(now)
			h.lent += bytes
		}
	}
}

// Unwatch ends Watch: from then on, cut is neither running nor called.
func (g *Grant) Unwatch() {
	if g == nil {
		return
	}
	p := g.pool
	p.mu.Lock()
	if g.peer == nil {
		p.mu.Unlock()
		return
	}
	p.lend(g, -g.bytes)
	g.peer, g.cut = nil, nil
	delete(p.watched, g)
	p.mu.Unlock()
	g.cutting.Lock() // until a cut that was begun has ended
	defer g.cutting.Unlock()
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
	p.mu.Lock()
	p.looking = false
	stalled := p.stalled(time.Now())
	p.look()
	p.mu.Unlock()
	for _, g := range stalled {
		g.cutting.Lock()
		p.mu.Lock()
		cut := g.cut // nil if the grant is not watched any more
		g.cut = nil
		p.mu.Unlock()
		if cut != nil {
			cut()
		}
		g.cutting.Unlock()
	}
}

// stalled are the grants to cut: each keeps others waiting, either for the pool or
// for a share of its own. They are not watched any more. Under the mutex.
func (p *Pool) stalled(now time.Time) (stalled []*Grant) {
	if len(p.waiting) == 0 {
		return nil
	}
	p.serve() // which sorts those who still wait by their rank
	lowest := map[Share]int{}
	for _, w := range p.waiting {
		what, share := p.room(w.grant) // the zero Share stands for the pool
		if _, ok := lowest[share]; what != nothing && !ok {
			lowest[share] = w.rank
		}
	}
	for g := range p.watched {
		rank, waits := lowest[Share{}]
		for _, share := range g.shares {
			if other, ok := lowest[share]; ok && (!waits || other < rank) {
				rank, waits = other, true
			}
		}
		still := g.peer.since(now)
		if waits && (still >= stall || still >= shortStall && p.rank(g, now) > rank) {
			stalled = append(stalled, g)
			delete(p.watched, g)
		}
	}
	return stalled
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
