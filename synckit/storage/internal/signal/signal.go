// Package signal tells any number of waiters that something was committed.
package signal

import "sync"

// Signal is ready to use as it is.
type Signal struct {
	mu      sync.Mutex
	waiting chan struct{} // nil while nobody waits
}

// Changed returns a channel that the next Raise closes.
func (s *Signal) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting == nil {
		s.waiting = make(chan struct{})
	}
	return s.waiting
}

// Raise wakes all who wait.
func (s *Signal) Raise() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting != nil {
		close(s.waiting)
		s.waiting = nil
	}
}
