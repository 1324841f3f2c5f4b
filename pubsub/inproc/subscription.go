package inproc

import (
	"sync"

	"syncline/pubsub"
)

type subscription struct {
	bus *Bus
	key key

	mu     sync.Mutex // held to send or to close, so that neither meets the other
	closed bool
	hints  chan pubsub.Hint // holds one: only offer sends, after it emptied it
}

// Hints implements pubsub.Subscription.
func (s *subscription) Hints() <-chan pubsub.Hint { return s.hints }

// Close implements pubsub.Subscription.
func (s *subscription) Close() {
	s.bus.remove(s)
	s.end()
}

// offer merges the hint with the one that nobody took yet. It never waits.
func (s *subscription) offer(hint pubsub.Hint) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	select {
	case waiting := <-s.hints:
		hint = hint.Merge(waiting)
	default:
	}
	s.hints <- hint
}

func (s *subscription) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		close(s.hints)
	}
}
