package budget

import (
	"math"
	"time"
)

// holder is what a share's owner has, and had lately.
type holder struct {
	held int64
	lent int64   // of held, for as long as a peer takes
	debt float64 // bytes lent times seconds, which fade
	at   time.Time
}

const (
	// fade is how long it takes until half of a debt is forgotten.
	fade = 10 * time.Second
	// freeDebt counts as none: a page of 4 MiB that is on its way for a 16th of a
	// second.
	freeDebt = 256 << 10
	// minHolders is below how many holders none is forgotten.
	minHolders = 1024
)

// update brings the debt up to date.
func (h *holder) update(now time.Time) {
	passed := now.Sub(h.at).Seconds()
	h.debt = h.debt*math.Exp2(-passed/fade.Seconds()) + float64(h.lent)*passed
	h.at = now
}

// held is what a share's owner has, under the mutex.
func (p *Pool) held(s Share) int64 {
	if h := p.holders[s.Name]; h != nil {
		return h.held
	}
	return 0
}

// rank is higher, the more one of a grant's holders owes: by one for each
// doubling, so that equals are served in turn. Under the mutex.
func (p *Pool) rank(g *Grant, now time.Time) int {
	owed := float64(freeDebt)
	for _, share := range g.shares {
		if h := p.holders[share.Name]; h != nil {
			h.update(now)
			owed = max(owed, h.debt)
		}
	}
	return int(math.Log2(owed / freeDebt))
}

// forget drops holders that have nothing and owe little, under the mutex. The
// next time comes when there are twice as many as stay.
func (p *Pool) forget(now time.Time) {
	for name, h := range p.holders {
		if h.update(now); h.held == 0 && h.debt < freeDebt {
			delete(p.holders, name)
		}
	}
	p.forgetAt = max(minHolders, 2*len(p.holders))
}
