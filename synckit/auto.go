package synckit

import (
	"context"
	stderrors "errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"syncline/synckit/errors"
)

const (
	// debounce is how long auto sync waits after something was stored, so that
	// what is stored together goes together.
	debounce = 50 * time.Millisecond
	// minRetryDelay is the first delay after a failure; each next is twice as long.
	minRetryDelay = time.Second
	// steady is how long a subscription without events must have stood for its end to be the first
	// failure again.
	steady = 10 * time.Second
)

// autoSync is a run of auto sync.
type autoSync struct {
	mu     sync.Mutex
	cancel context.CancelFunc // nil: does not run
	done   chan struct{}
}

// StartAutoSync implements SyncManager. Where it runs already it is an error of
// code InvalidOptions.
func (m *Manager) StartAutoSync(ctx context.Context) error {
	const op = "start auto sync"
	if m.bad != nil {
		return m.bad
	}
	m.auto.mu.Lock()
	defer m.auto.mu.Unlock()
	select {
	case <-m.closed:
		return errors.New(errors.Closed, op, nil)
	default:
	}
	if m.auto.cancel != nil {
		select {
		case <-m.auto.done: // its context ended
		default:
			return errors.New(errors.InvalidOptions, op, stderrors.New("it runs already"))
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	m.auto.cancel, m.auto.done = cancel, make(chan struct{})
	m.status.autoSync(true)
	go m.runAuto(ctx, m.auto.done)
	return nil
}

// StopAutoSync implements SyncManager. Where nothing runs it does nothing.
func (m *Manager) StopAutoSync() error {
	if m.bad != nil {
		return m.bad
	}
	m.auto.mu.Lock()
	defer m.auto.mu.Unlock()
	if m.auto.cancel == nil {
		return nil
	}
	m.auto.cancel()
	<-m.auto.done
	m.auto.cancel = nil
	return nil
}

// runAuto runs until ctx ends: one goroutine listens to the peer, one to the
// log, this one syncs.
func (m *Manager) runAuto(ctx context.Context, done chan<- struct{}) {
	defer close(done)
	live, changed := make(chan struct{}, 1), make(chan struct{}, 1)
	var listeners sync.WaitGroup
	listeners.Go(func() { m.listen(ctx, live) })
	listeners.Go(func() { m.listenToLog(ctx, changed) })
	for failures := 0; ctx.Err() == nil; {
		_, err := m.Sync(ctx)
		if err != nil {
			failures++
		} else {
			failures = 0
		}
		m.pause(ctx, failures, errors.RetryAfterOf(err), live, changed)
	}
	listeners.Wait()
	m.status.autoSync(false)
}

// pause waits until it is time to sync again. After a failure what is stored here
// does not shorten it, but a sign of life of the peer does, unless the peer asked for
// time: many nodes hear of the same change at once. It is asked for again after that
// time and up to half as much more, so that those it asked do not come together.
func (m *Manager) pause(ctx context.Context, failures int, asked time.Duration, live, changed <-chan struct{}) {
	delay := m.options.SyncInterval
	if failures > 0 {
		delay, changed = m.retryDelay(failures), nil
	}
	if asked > 0 {
		asked = min(asked, m.options.MaxRetryDelay)
		delay += asked + rand.N(asked/2+1) //nolint:gosec // G404: a pause is no secret
		live = nil
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-live:
	case <-changed:
	}
}

// retryDelay doubles with each failure; half of it is random, so that nodes that
// lost their peer together do not come back together.
func (m *Manager) retryDelay(failures int) time.Duration {
	longest := m.options.MaxRetryDelay
	delay := min(minRetryDelay, m.options.SyncInterval, longest)
	for i := 1; i < failures && delay < longest; i++ {
		delay = min(2*delay, longest)
	}
	return delay/2 + rand.N(delay/2+1) //nolint:gosec // G404: a pause is no secret
}

func wake(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default: // it is awake
	}
}

// listen keeps a subscription to the peer, and wakes auto sync when something
// comes of it.
func (m *Manager) listen(ctx context.Context, live chan<- struct{}) {
	defer m.status.live(false)
	var failures atomic.Int64 // the transport may call the handler from anywhere
	for ctx.Err() == nil {
		var stands atomic.Pointer[time.Time] // since when
		err := guard("subscribe", errors.Unavailable, func() error {
			return m.transport.Subscribe(ctx, func(events []EventWithVersion) error {
				now := time.Now()
				stands.CompareAndSwap(nil, &now)
				if len(events) > 0 {
					failures.Store(0)
				}
				m.status.live(true)
				wake(live)
				return nil
			})
		})
		if err == nil { // it goes on
			m.status.live(ctx.Err() == nil)
			<-ctx.Done()
			return
		}
		m.status.live(false)
		if errors.CodeOf(err) == errors.Unsupported {
			return // polling must do
		}
		if since := stands.Load(); since != nil && time.Since(*since) >= steady {
			failures.Store(0)
		}
		sleep(ctx, m.retryDelay(int(failures.Add(1))))
	}
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// listenToLog wakes auto sync when there is something to push.
func (m *Manager) listenToLog(ctx context.Context, changed chan<- struct{}) {
	if m.options.PullOnly {
		return
	}
	for ctx.Err() == nil {
		next := m.log.Changed() // before looking, so that nothing is missed
		if pending, err := m.hasPending(ctx); err == nil && pending {
			sleep(ctx, debounce)
			next = m.log.Changed() // what was stored until here goes with the sync that is woken
			wake(changed)
		}
		select {
		case <-ctx.Done():
		case <-next:
		}
	}
}

// hasPending tells whether something waits to be pushed.
func (m *Manager) hasPending(ctx context.Context) (bool, error) {
	at, err := m.pushCursor(ctx)
	if err != nil {
		return false, err
	}
	entries, err := m.read(ctx, at.position, m.options.BatchSize)
	for _, e := range entries {
		if m.concerns(at, e) {
			return true, err
		}
	}
	return false, err
}
