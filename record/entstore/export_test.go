package entstore

import (
	"context"

	"syncline/record"
)

// What waits at most, and what shares a transaction at most.
const (
	MaxWaiting      = maxWaiting
	MaxWaitingBytes = maxWaitingBytes
	MaxGroupRows    = maxGroupRows
)

// Hold has writes wait, in a store where none is under way, until release is
// called: then they are one group, or several if they are too many.
func (s *Store) Hold() (release func()) {
	s.queue.finished.Wait() // a committer may be on its way out still
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	limit := s.queue.limit
	s.queue.limit = [lanes]int{}
	return func() {
		s.queue.mu.Lock()
		defer s.queue.mu.Unlock()
		s.queue.limit = limit
		for lane, waiting := range s.queue.ready {
			s.queue.ready[lane] = nil
			for i, l := range waiting {
				if i < len(waiting)-1 {
					s.queue.ready[lane] = append(s.queue.ready[lane], l)
				} else {
					s.queue.makeReady(l)
				}
			}
		}
	}
}

// Submit is Write without the waiting, so that a test knows in which order
// writes came.
func (s *Store) Submit(ctx context.Context, owner record.Owner, request record.Request) (wait func() (record.Result, error)) {
	m, err := s.submit(ctx, owner, request)
	if err != nil {
		return func() (record.Result, error) { return record.Result{}, err }
	}
	return func() (record.Result, error) { return s.await(ctx, m) }
}
