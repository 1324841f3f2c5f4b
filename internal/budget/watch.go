package budget

import (
	"io"
	"sync/atomic"
	"time"
)

const (
	// stall is how long a peer may make no progress while others wait, and
	// shortStall how long if its debt is higher than that of one of them.
	stall      = time.Second
	shortStall = 100 * time.Millisecond
	// lookEvery is how often stalled peers are looked for while others wait.
	lookEvery = 50 * time.Millisecond
)

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

// Watch has cut called, once, if the peer makes no progress for about a second
// while others wait for this memory: the grant is for as long as the peer takes,
// and must not be held by one that only stays. The second begins now if the peer
// never made progress, else when it last did. cut does not call back. After
// Release there is nothing to watch.
func (g *Grant) Watch(peer *Progress, cut func()) {
	if g == nil {
		return
	}
	peer.at.CompareAndSwap(0, time.Now().UnixNano())
	g.pool.mu.Lock()
	defer g.pool.mu.Unlock()
	if g.released {
		return
	}
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
			h.update(now)
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
