package locks

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"syncline/pubsub"
)

// How an unavailable locker is tried again before a watcher reports it.
const (
	firstRetryDelay = 100 * time.Millisecond
	maxRetryDelay   = 5 * time.Second
	giveUpAfter     = 30 * time.Second
)

// minExpiryWait keeps a watcher from spinning while its clock and the store's
// disagree on whether a hold has just expired.
const minExpiryWait = 5 * time.Millisecond

// Watcher follows one lock. Next is for one goroutine at a time; Close may be
// called from any.
type Watcher struct {
	service *Service
	key     Key
	hints   pubsub.Subscription

	woken  chan struct{} // holds one word from Run that the lock has changed
	closed chan struct{}
	close  sync.Once

	stale  bool      // the lock may have changed since it was read
	expiry time.Time // by the local clock, when the next hold ends; zero: none

	mu    sync.Mutex
	known *Lock // as last handed out; nil before the first. Run looks at it
}

// Watch begins to watch a lock. ctx bounds the call only; Close ends the
// watcher. Errors are *InvalidError, the bus's or the context's.
func (s *Service) Watch(ctx context.Context, owner Owner, name string) (*Watcher, error) {
	if err := validateName(name); err != nil {
		return nil, err
	}
	hints, err := s.bus.Subscribe(ctx, owner, pubsub.LockTopic(name))
	if err != nil {
		return nil, err
	}
	w := &Watcher{
		service: s,
		key:     Key{Owner: owner, Name: name},
		hints:   hints,
		woken:   make(chan struct{}, 1),
		closed:  make(chan struct{}),
		stale:   true,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchers[w] = struct{}{}
	return w, nil
}

// Next answers the state at once the first time, then waits until it differs
// from the last one answered: a grant, a renewal, a release, an expiry. States
// in between may be left out.
//
// Errors are ErrClosed, the context's, and an *UnavailableError if the locker
// stays unavailable for a while. No error loses the watcher: Next may be called
// again.
func (w *Watcher) Next(ctx context.Context) (Lock, error) {
	for {
		if err := w.ended(ctx); err != nil {
			return Lock{}, err
		}
		if err := w.awaitChange(ctx); err != nil {
			return Lock{}, err
		}
		lock, err := w.fetch(ctx)
		if err != nil {
			return Lock{}, err
		}
		w.stale = false
		w.expiry = nextExpiry(lock)
		if w.learn(lock) {
			return lock, nil
		}
	}
}

// Close ends the watcher, and a Next that waits. It may be called more than once.
func (w *Watcher) Close() {
	w.close.Do(func() {
		close(w.closed)
		w.service.remove(w)
		w.hints.Close()
	})
}

func (s *Service) remove(w *Watcher) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.watchers, w)
}

func (w *Watcher) ended(ctx context.Context) error {
	select {
	case <-w.closed:
		return ErrClosed
	default:
		return ctx.Err()
	}
}

// awaitChange returns when the lock may have changed.
func (w *Watcher) awaitChange(ctx context.Context) error {
	if w.stale {
		return nil
	}
	expired, stop := w.expiryTimer()
	defer stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-w.closed:
		return ErrClosed
	case _, ok := <-w.hints.Hints():
		if !ok {
			return ErrClosed
		}
	case <-w.woken:
	case <-expired:
	}
	w.stale = true
	return nil
}

func (w *Watcher) expiryTimer() (expired <-chan time.Time, stop func() bool) {
	if w.expiry.IsZero() {
		return nil, func() bool { return false }
	}
	timer := time.NewTimer(time.Until(w.expiry))
	return timer.C, timer.Stop
}

// nextExpiry is when the first of the holds ends. The time that is left counts
// from the answer's arrival: a little late at worst, never before the store's
// own clock has got there.
func nextExpiry(lock Lock) time.Time {
	if !lock.Locked() {
		return time.Time{}
	}
	first := slices.MinFunc(lock.Holders, func(a, b Holder) int { return a.ExpiresAt.Compare(b.ExpiresAt) })
	return time.Now().Add(max(first.ExpiresAt.Sub(lock.ReadAt), minExpiryWait))
}

func (w *Watcher) fetch(ctx context.Context) (Lock, error) {
	deadline := time.Now().Add(giveUpAfter)
	delay := firstRetryDelay
	for {
		lock, err := w.service.shared.read(ctx, w.key, w.closed)
		var unavailable *UnavailableError
		if !errors.As(err, &unavailable) || time.Now().After(deadline) {
			return lock, err
		}
		if err := w.pause(ctx, max(delay, min(unavailable.RetryAfter, maxRetryDelay))); err != nil {
			return Lock{}, err
		}
		delay = min(2*delay, maxRetryDelay)
	}
}

// pause waits for d and up to half as long again, so that the watchers that an
// outage stopped do not all come back at once.
func (w *Watcher) pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d + rand.N(d/2)) //nolint:gosec // spreads load, guards nothing
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-w.closed:
		return ErrClosed
	case <-timer.C:
		return nil
	}
}

// learn remembers a state, and tells whether it is news.
func (w *Watcher) learn(lock Lock) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.known != nil && w.known.same(lock) {
		return false
	}
	w.known = &lock
	return true
}

// differs tells whether the watcher does not know this state.
func (w *Watcher) differs(lock Lock) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.known == nil || !w.known.same(lock)
}

// same tells whether two readings show the same state.
func (l Lock) same(other Lock) bool {
	return l.Exclusive == other.Exclusive && slices.EqualFunc(l.Holders, other.Holders, func(a, b Holder) bool {
		return a.InstanceID == b.InstanceID && a.Token == b.Token && a.ExpiresAt.Equal(b.ExpiresAt)
	})
}
