// Package turns has those who need the processor take turns, fairly by whose work
// it is: whoever had little of it lately goes first. So one who asks for much
// waits for himself, and others for what is in hand at most.
//
//	turn := pool.Of(turns.Name{Of: owner, Weight: 1}, turns.Name{Of: address, Weight: 4})
//	if err := turn.Take(ctx); err != nil {
//		return err // ctx has ended
//	}
//	defer turn.Give()
//	... // work
//	turn.Give() // before waiting for something else
//
// It is start-time fair queueing: an account's tag is the work that was done for
// it, in units of its weight, on a clock that goes as fast as all that are waited
// for are served. It begins again at the clock whenever it has been away, so that
// nobody saves up, and pays for what was nobody else's loss.
package turns

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// Pool is the places of those who work at a time. It is safe for concurrent use. A
// nil Pool has room for all.
type Pool struct {
	places int
	each   int // places that the first name of a turn may have

	mu       sync.Mutex
	free     int
	clock    time.Duration // tag of the work that was begun last
	newest   time.Duration // highest tag
	accounts map[any]*account
	ready    queue // accounts whose next turn waits for a place, and for nothing else
	waiting  int
	forgetAt int // how many accounts there are when those are looked for that count no more
}

const (
	// atLeast is what a turn is taken to need until it is over.
	atLeast   = 100 * time.Microsecond
	mostNames = 2
	// minAccounts is below how many accounts none is forgotten.
	minAccounts = 1024
)

// Name is one of those for whom work is done, an owner or an address.
type Name struct {
	Of any // compared by ==
	// Weight is how many times as much work as others it may have done, such as 4
	// for an address that several owners may share.
	Weight int
}

// New makes a pool of a number of places, at least 2. One first name may have all but
// one of them, so that another's work need not wait until some of it is over.
func New(places int) *Pool {
	places = max(places, 2)
	return &Pool{places: places, each: places - 1, free: places, accounts: make(map[any]*account), forgetAt: minAccounts}
}

// account is what was done for a name.
type account struct {
	tag   time.Duration
	held  int // places, of turns whose first name it is
	users int // turns that are under way, or wait

	// Of turns whose first name it is.
	waiting []*waiter
	isReady bool // it is in Pool.ready
	key     time.Duration
}

type waiter struct {
	turn    *Turn
	arrived time.Duration // by the clock
	given   chan struct{}
	left    bool
}

// Of begins a turn for work that is done for one or two names, the first of which is
// whose places are counted. It takes none yet. Without a name there is no turn.
func (p *Pool) Of(names ...Name) *Turn {
	if p == nil || len(names) == 0 {
		return nil
	}
	return &Turn{pool: p, names: names[:min(len(names), mostNames)]}
}

// Turn is the work of a request, which has a place or has none. It is safe for
// concurrent use. A nil Turn needs none.
type Turn struct {
	pool  *Pool
	names []Name

	taking sync.Mutex // held by Take

	// Under the pool's mutex.
	with     [mostNames]*account
	accounts []*account // of with, while it has a place or waits for one
	began    time.Time
	held     bool
}

// Take waits for a place, unless the turn has one. The error is ctx's: then it has none.
func (t *Turn) Take(ctx context.Context) error {
	if t == nil {
		return nil
	}
	t.taking.Lock()
	defer t.taking.Unlock()
	p := t.pool
	p.mu.Lock()
	if t.held {
		p.mu.Unlock()
		return nil
	}
	t.join()
	first := t.accounts[0]
	if p.free > 0 && len(p.ready) == 0 && first.held < p.each {
		p.give(t, t.start())
		p.mu.Unlock()
		return nil
	}
	w := &waiter{turn: t, arrived: p.clock, given: make(chan struct{})}
	first.waiting = append(first.waiting, w)
	p.waiting++
	p.enter(first)
	p.serve()
	p.mu.Unlock()
	select {
	case <-w.given:
		return nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.held { // just now
		return nil
	}
	w.left = true
	p.waiting--
	t.part()
	return ctx.Err()
}

// Give gives the place back, if the turn has one.
func (t *Turn) Give() {
	if t == nil {
		return
	}
	p := t.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if !t.held {
		return
	}
	t.held = false
	p.free++
	took := time.Since(t.began)
	t.accounts[0].held--
	for i, a := range t.accounts {
		a.tag += max(took-atLeast, 0) / time.Duration(t.names[i].Weight)
		p.newest = max(p.newest, a.tag)
	}
	// Names that come for the first time begin at the clock: it must not stand
	// still for as long as there are such.
	p.clock += took / time.Duration(p.waiting+p.places)
	p.enter(t.accounts[0])
	t.part()
	p.serve()
	if p.free == p.places {
		p.clock = max(p.clock, p.newest) // nobody lost anything by it
	}
}

// Waiting is how many turns wait for a place now.
func (p *Pool) Waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waiting
}

// Free is how many places nobody has now.
func (p *Pool) Free() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.free
}

// join finds the accounts of a turn, under the mutex.
func (t *Turn) join() {
	p := t.pool
	if len(p.accounts) >= p.forgetAt {
		p.forget()
	}
	t.accounts = t.with[:len(t.names)]
	for i, name := range t.names {
		a := p.accounts[name.Of]
		if a == nil {
			a = new(account)
			p.accounts[name.Of] = a
		}
		a.users++
		t.accounts[i] = a
	}
}

// part lets go of them, under the mutex.
func (t *Turn) part() {
	for _, a := range t.accounts {
		a.users--
	}
	t.accounts = nil
}

// forget drops accounts that are as good as new, under the mutex. The next time
// comes when there are twice as many as stay.
func (p *Pool) forget() {
	for name, a := range p.accounts {
		if a.users == 0 && a.tag <= p.clock && !a.isReady {
			delete(p.accounts, name)
		}
	}
	p.forgetAt = max(minAccounts, 2*len(p.accounts))
}

// start is the tag at which the turn would begin, under the mutex.
func (t *Turn) start() time.Duration {
	start := time.Duration(0)
	for _, a := range t.accounts {
		start = max(start, a.tag)
	}
	return start
}

// give has a turn begin, under the mutex.
func (p *Pool) give(t *Turn, start time.Duration) {
	p.free--
	p.clock = max(p.clock, start)
	t.held, t.began = true, time.Now()
	t.accounts[0].held++
	for i, a := range t.accounts {
		a.tag = max(a.tag, p.clock) + atLeast/time.Duration(t.names[i].Weight)
		p.newest = max(p.newest, a.tag)
	}
}

// enter has an account wait for a place if a turn of it may have one, under the mutex.
func (p *Pool) enter(a *account) {
	if a.isReady || a.held >= p.each || !a.next() {
		return
	}
	a.isReady, a.key = true, a.waiting[0].start()
	heap.Push(&p.ready, a)
}

func (w *waiter) start() time.Duration { return max(w.arrived, w.turn.start()) }

// serve gives places to those who wait, under the mutex.
func (p *Pool) serve() {
	for p.free > 0 && len(p.ready) > 0 {
		a := p.ready[0]
		if !a.next() {
			heap.Pop(&p.ready)
			continue
		}
		w := a.waiting[0]
		if start := w.start(); start > a.key { // work was done for one of its names meanwhile
			a.key = start
			heap.Fix(&p.ready, 0)
			continue
		}
		heap.Pop(&p.ready)
		a.waiting = a.waiting[1:]
		p.waiting--
		p.give(w.turn, a.key)
		close(w.given)
		p.enter(a)
	}
}

// next is false if nobody waits any more, under the mutex.
func (a *account) next() bool {
	for len(a.waiting) > 0 && a.waiting[0].left {
		a.waiting = a.waiting[1:]
	}
	if len(a.waiting) == 0 {
		a.waiting = nil
	}
	return len(a.waiting) > 0
}

// queue is a heap of accounts by their keys.
type queue []*account

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].key < q[j].key }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(a any)        { *q = append(*q, a.(*account)) }
func (q *queue) Pop() any {
	last := len(*q) - 1
	a := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	a.isReady = false
	return a
}
