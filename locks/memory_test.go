package locks_test

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"syncline/locks"
	"syncline/locks/lockstest"
	"syncline/pubsub"
	"syncline/pubsub/inproc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	alice   = locks.Owner{0: 2, 32: 1}
	bob     = locks.Owner{0: 3, 32: 1}
	silent  = slog.New(slog.NewTextHandler(io.Discard, nil))
	errDown = errors.New("the store is down")
)

// memory is a Locker in memory, whose clock may be off and which may be down.
type memory struct {
	skew  time.Duration // how far its clock is ahead of this process's
	slack time.Duration // how long it goes on showing a hold that has ended

	mu     sync.Mutex
	down   bool
	reads  int
	keys   int // of the last read
	locks  map[locks.Key]stored
	tokens map[locks.Owner]locks.Token
	fences map[locks.Key]locks.Token
	moved  atomic.Int64
}

type stored struct {
	exclusive bool
	holders   []locks.Holder
}

func newMemory() *memory {
	return &memory{
		locks:  make(map[locks.Key]stored),
		tokens: make(map[locks.Owner]locks.Token),
		fences: make(map[locks.Key]locks.Token),
	}
}

func (m *memory) now() time.Time {
	return time.Now().Add(m.skew + time.Duration(m.moved.Load())).UTC().Truncate(time.Microsecond)
}

func (m *memory) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.down {
		return &locks.UnavailableError{RetryAfter: time.Second, Err: errDown}
	}
	return nil
}

func (m *memory) state(key locks.Key) locks.Lock {
	now := m.now()
	s := m.locks[key]
	s.holders = slices.DeleteFunc(slices.Clone(s.holders), func(h locks.Holder) bool { return !h.ExpiresAt.Add(m.slack).After(now) })
	return locks.Lock{Name: key.Name, Exclusive: s.exclusive && len(s.holders) > 0, Holders: s.holders, ReadAt: now}
}

func (m *memory) Acquire(ctx context.Context, owner locks.Owner, request locks.Request) (locks.Grant, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter(ctx); err != nil {
		return locks.Grant{}, err
	}
	key := locks.Key{Owner: owner, Name: request.Name}
	lock := m.state(key)
	decision := locks.Decide(lock, request)
	if !decision.Granted {
		return locks.Grant{Ended: decision.Ended, Lock: lock}, nil
	}
	if decision.NewToken {
		m.tokens[owner]++
		decision.Token = m.tokens[owner]
	}
	hold := locks.Holder{InstanceID: request.InstanceID, Token: decision.Token, ExpiresAt: lock.ReadAt.Add(request.TTL)}
	lock.Holders = slices.DeleteFunc(lock.Holders, func(h locks.Holder) bool { return h.InstanceID == hold.InstanceID })
	lock.Holders = append(lock.Holders, hold)
	slices.SortFunc(lock.Holders, func(a, b locks.Holder) int { return cmp.Compare(a.InstanceID, b.InstanceID) })
	lock.Exclusive = request.Exclusive
	m.locks[key] = stored{lock.Exclusive, lock.Holders}
	m.fences[key] = max(m.fences[key], hold.Token)
	return locks.Grant{
		Acquired:  true,
		Renewed:   decision.Renewed,
		Token:     hold.Token,
		ExpiresAt: hold.ExpiresAt,
		Lock:      lock,
	}, nil
}

func (m *memory) Release(ctx context.Context, key locks.Key, instanceID string) (locks.Lock, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter(ctx); err != nil {
		return locks.Lock{}, err
	}
	s := m.locks[key]
	s.holders = slices.DeleteFunc(slices.Clone(s.holders), func(h locks.Holder) bool { return h.InstanceID == instanceID })
	m.locks[key] = s
	return m.state(key), nil
}

func (m *memory) Read(ctx context.Context, keys []locks.Key) ([]locks.Lock, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads++
	m.keys = len(keys)
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	found := make([]locks.Lock, len(keys))
	for i, key := range keys {
		found[i] = m.state(key)
	}
	return found, nil
}

func (m *memory) setDown(down bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down = down
}

// countReads tells how many reads there were, and resets the count.
func (m *memory) countReads() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.reads
	m.reads = 0
	return n
}

// The suite holds for the locker of these tests too.
func TestMemory(t *testing.T) {
	lockstest.Run(t, func(*testing.T) lockstest.Harness {
		m := newMemory()
		return lockstest.Harness{
			Locker: m,
			Elapse: func(d time.Duration) { m.moved.Add(int64(d)) },
			Fence: func(key locks.Key) locks.Token {
				m.mu.Lock()
				defer m.mu.Unlock()
				return m.fences[key]
			},
			Purge: func() {
				m.mu.Lock()
				defer m.mu.Unlock()
				clear(m.fences)
				clear(m.locks)
			},
			Reopen: func() locks.Locker { return m },
		}
	})
}

// deaf is a bus that loses all hints while it is told to.
type deaf struct {
	*inproc.Bus
	lossy atomic.Bool
}

func (d *deaf) Publish(ctx context.Context, hint pubsub.Hint) error {
	if d.lossy.Load() {
		return nil
	}
	return d.Bus.Publish(ctx, hint)
}
