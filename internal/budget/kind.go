package budget

import "slices"

// kind is how large a grant is. Small ones are over soon, and must not wait until
// large answers have reached slow peers: the larger a kind, the less of the pool
// is there for it. Nor do small ones keep all from the large, who wait, for ever.
type kind int

const (
	tiny  kind = iota // up to a 64th of the pool: an ordinary write
	small             // up to a 32nd
	large
	kinds // how many there are
)

func (p *Pool) kindOf(bytes int64) kind {
	switch {
	case bytes > p.size/32:
		return large
	case bytes > p.size/64:
		return small
	default:
		return tiny
	}
}

// most is what grants of a kind, and of those that are larger, have at most together.
func (p *Pool) most(k kind) int64 { return p.size / 8 * int64(8-k) }

// fits tells whether there is room for bytes more of a kind, under the mutex.
func (p *Pool) fits(k kind, bytes int64) bool {
	all := p.usedUpTo(kinds - 1)
	for smaller := range k + 1 {
		if all+bytes > p.most(smaller) {
			return false
		}
		all -= p.used[smaller]
	}
	return true
}

// usedUpTo is what grants of a kind, and of those that are smaller, have, under the mutex.
func (p *Pool) usedUpTo(k kind) (bytes int64) {
	for smaller := range k + 1 {
		bytes += p.used[smaller]
	}
	return bytes
}

// largerWaits tells whether a larger grant is waited for than those of a kind,
// under the mutex.
func (p *Pool) largerWaits(k kind) bool {
	return slices.ContainsFunc(p.waiting, func(w *waiter) bool { return w.grant.kind > k })
}
