package pubsub

import "sync"

// Mailbox is what a Subscription collects hints in. It is safe for concurrent
// use. Make one with NewMailbox.
type Mailbox struct {
	mu     sync.Mutex // held to send or to close, so that neither meets the other
	closed bool
	hints  chan Hint // holds one: only Offer sends, after it emptied it
	wake   func()    // nil: nobody asked for it
}

// NewMailbox makes an empty mailbox.
func NewMailbox() *Mailbox { return &Mailbox{hints: make(chan Hint, 1)} }

// Hints delivers the merged hint. It is closed when the mailbox is.
func (m *Mailbox) Hints() <-chan Hint { return m.hints }

// Notify has wake called after each Offer, and by Close. It must not call back.
func (m *Mailbox) Notify(wake func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wake = wake
}

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
	m.rouse()
}

// Close closes Hints. It may be called more than once.
func (m *Mailbox) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.closed = true
		close(m.hints)
		m.rouse()
	}
}

// rouse is called under the mutex.
func (m *Mailbox) rouse() {
	if m.wake != nil {
		m.wake()
	}
}
