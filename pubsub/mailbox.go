package pubsub

import "sync"

// Mailbox is what a Subscription collects hints in. It is safe for concurrent
// use. Make one with NewMailbox.
type Mailbox struct {
	mu     sync.Mutex // held to send or to close, so that neither meets the other
	closed bool
	hints  chan Hint // holds one: only Offer sends, after it emptied it
}

// NewMailbox makes an empty mailbox.
func NewMailbox() *Mailbox { return &Mailbox{hints: make(chan Hint, 1)} }

// Hints delivers the merged hint. It is closed when the mailbox is.
func (m *Mailbox) Hints() <-chan Hint { return m.hints }

// Offer merges a hint with the one that nobody took yet. It never waits.
func (m *Mailbox) Offer(hint Hint) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	select {
	case waiting := <-m.hints:
		hint = hint.Merge(waiting)
	default:
	}
	m.hints <- hint
}

// Close closes Hints. It may be called more than once.
func (m *Mailbox) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.closed = true
		close(m.hints)
	}
}
