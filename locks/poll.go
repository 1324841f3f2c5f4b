package locks

import (
	"context"
	"time"
)

// Run compares every watched lock with the store, once per interval and when
// PollSoon asks for it, by one query. It returns the context's error when ctx ends.
func (s *Service) Run(ctx context.Context) error {
	ticker := time.NewTicker(s.pollInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		case <-s.pollNow:
		}
		if err := s.poll(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "watched locks not compared with the store; the next poll tries again", "error", err)
		}
	}
}

// poll wakes the watchers whose lock is no longer as they know it. They read it
// again themselves: what was read here may be older than what they know.
func (s *Service) poll(ctx context.Context) error {
	watched, keys := s.watched()
	if len(keys) == 0 {
		return nil
	}
	found, err := s.locker.Read(ctx, keys)
	if err != nil {
		return err
	}
	for i, key := range keys {
		for _, w := range watched[key] {
			if w.differs(found[i]) {
				w.rouse()
			}
		}
	}
	return nil
}

func (s *Service) watched() (map[Key][]*Watcher, []Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	watched := make(map[Key][]*Watcher, len(s.watchers))
	keys := make([]Key, 0, len(s.watchers))
	for w := range s.watchers {
		if watched[w.key] == nil {
			keys = append(keys, w.key)
		}
		watched[w.key] = append(watched[w.key], w)
	}
	return watched, keys
}

// rouse tells a watcher that its lock has changed. It never waits.
func (w *Watcher) rouse() {
	select {
	case w.woken <- struct{}{}:
	default:
	}
}

// PollSoon asks Run for a comparison that begins after this call: hints may have
// been lost. Those who ask at once share one.
func (s *Service) PollSoon() {
	select {
	case s.pollNow <- struct{}{}:
	default:
	}
}
