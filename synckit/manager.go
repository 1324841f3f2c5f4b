package synckit

import (
	"cmp"
	"context"
	stderrors "errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"syncline/synckit/errors"
)

// Manager is the SyncManager of NewSyncManager. It is safe for concurrent use.
// It keeps no goroutine but for auto sync.
type Manager struct {
	log       Log
	transport Transport
	options   SyncOptions
	bad       error // what is wrong with the options

	turn     chan struct{} // who holds its one token syncs
	peer     peerReader
	watched  watched
	reviewed reviewed
	again    string // the walk in which the peer's log is pulled; empty: an ordinary pull
	skip     skip
	pulling  portion
	pushing  portion
	learned  bool                    // what calls carried in earlier runs is known
	unsaved  atomic.Pointer[unsaved] // how far was pushed beyond what the store could keep; auto sync reads it

	results results
	status  statusKeeper
	auto    autoSync
	opened  []io.Closer // what belongs to the manager
	closed  chan struct{}
	closing sync.Once
}

var _ SyncManager = (*Manager)(nil)

// NewSyncManager returns a manager that syncs a store with the peer that a
// transport reaches. options may be nil. With options that contradict themselves
// each call fails with an error of code InvalidOptions; the builder tells at once.
func NewSyncManager(store EventStore, transport Transport, options *SyncOptions) *Manager {
	m := &Manager{transport: transport, turn: make(chan struct{}, 1), closed: make(chan struct{})}
	if options != nil {
		m.options = *options
	}
	switch m.bad = m.options.check(); {
	case store == nil:
		m.bad = badOptions("there is no store")
	case transport == nil:
		m.bad = badOptions("there is no transport")
	default:
		m.options = m.options.withDefaults(transport)
		m.log = logOf(store)
		if r, ok := m.options.ConflictResolver.(StoreResolver); ok {
			m.options.ConflictResolver = r.ForStore(m.log)
		}
		m.peer = newPeerReader(store, transport)
		m.pulling = portion{now: m.options.BatchSize, most: m.options.BatchSize, timeout: m.options.Timeout}
		m.pushing = m.pulling
	}
	return m
}

// Sync implements SyncManager.
func (m *Manager) Sync(ctx context.Context) (*SyncResult, error) {
	return m.run(ctx, "sync", func(ctx context.Context, r *SyncResult) error {
		if m.options.PushOnly {
			return m.pushAlone(ctx, r)
		}
		pulled := m.pull(ctx, r)
		// What keeps this side from taking holds up what comes, not what goes: a
		// resolver that fails, a disk that is full.
		if m.options.PullOnly || pulled != nil && !isOwnTrouble(pulled) {
			return pulled
		}
		pushed := m.push(ctx, r)
		if pulled == nil {
			return pushed
		}
		if pushed != nil {
			r.Errors = append(r.Errors, pushed)
		}
		return pulled
	})
}

// isOwnTrouble tells whether a pull failed though the peer was reached.
func isOwnTrouble(err error) bool {
	switch errors.CodeOf(err) {
	case "", errors.Erased, errors.Closed, errors.Unavailable, errors.Timeout, errors.Unauthenticated:
		return false
	default:
		return true
	}
}

// Push implements SyncManager.
func (m *Manager) Push(ctx context.Context) (*SyncResult, error) {
	return m.run(ctx, "push", m.pushAlone)
}

// Pull implements SyncManager.
func (m *Manager) Pull(ctx context.Context) (*SyncResult, error) {
	return m.run(ctx, "pull", m.pull)
}

// run does one operation and tells everybody how it went.
func (m *Manager) run(ctx context.Context, op string, f func(context.Context, *SyncResult) error) (*SyncResult, error) {
	if err := m.take(ctx, op); err != nil {
		return &SyncResult{Errors: []error{err}, StartTime: time.Now()}, err
	}
	defer m.results.deliver(m.options.Logger)
	defer m.release()
	m.status.syncing()
	r := &SyncResult{StartTime: time.Now()}
	m.learnPortions(ctx)
	before := [2]int{m.pulling.now, m.pushing.now}
	err := m.step(ctx, Step{Name: StepSync, Operation: op}, r, func(ctx context.Context) error { return f(ctx, r) })
	m.keepPortions(ctx, before)
	r.Duration = time.Since(r.StartTime)
	if err != nil {
		r.Errors = append(r.Errors, err)
	}
	m.status.synced(err)
	m.record(op, r, err)
	m.results.add(r)
	return r, err
}

func (m *Manager) record(op string, r *SyncResult, err error) {
	metrics := m.options.Metrics
	metrics.RecordSyncDuration(op, r.Duration)
	if r.EventsPushed+r.EventsPulled > 0 {
		metrics.RecordSyncEvents(r.EventsPushed, r.EventsPulled)
	}
	if r.ConflictsResolved > 0 {
		metrics.RecordConflicts(r.ConflictsResolved)
	}
	for _, e := range r.Errors {
		if !isGivenUp(e) {
			metrics.RecordSyncErrors(op, string(errors.CodeOf(e)))
		}
	}
	if err != nil && !isGivenUp(err) {
		m.options.Logger.Warn("sync failed", "operation", op, "peer", m.options.Peer, "error", err)
	}
}

// take waits for this call's turn.
func (m *Manager) take(ctx context.Context, op string) error {
	if m.bad != nil {
		return m.bad
	}
	select {
	case <-m.closed:
		return errors.New(errors.Closed, op, nil)
	default:
	}
	select {
	case m.turn <- struct{}{}:
		return nil
	case <-m.closed:
		return errors.New(errors.Closed, op, nil)
	case <-ctx.Done():
		return ended(op, ctx.Err())
	}
}

func (m *Manager) release() { <-m.turn }

// Subscribe implements SyncManager. handler may sync itself: its result is told
// after the one that it handles.
func (m *Manager) Subscribe(handler func(*SyncResult)) error {
	switch {
	case m.bad != nil:
		return m.bad
	case handler == nil:
		return errors.New(errors.InvalidOptions, "subscribe", stderrors.New("there is no handler"))
	}
	m.results.subscribe(handler)
	return nil
}

// Close implements SyncManager.
func (m *Manager) Close() error {
	var err error
	m.closing.Do(func() {
		close(m.closed) // first, so that no auto sync begins after the one that is stopped
		if m.bad == nil {
			err = m.StopAutoSync()
		}
		m.turn <- struct{}{} // the last call has ended; there is no other
		m.status.close()
		for _, one := range slices.Backward(m.opened) { // the transport before the store that it may wait for
			err = cmp.Or(err, one.Close())
		}
	})
	return err
}

// Effective gives those of an aggregate's events that count, in the order in
// which they do: LoadEffective for the manager's store. Over a store that is no
// Log it knows the order better than LoadEffective.
func (m *Manager) Effective(ctx context.Context, aggregateID string) ([]EventWithVersion, error) {
	if m.bad != nil {
		return nil, m.bad
	}
	entries, err := m.aggregate(ctx, aggregateID)
	if err != nil {
		return nil, err
	}
	return Effective(eventsOf(entries)), nil
}
