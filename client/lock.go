package client

import (
	"context"
	"fmt"
	"iter"
	"time"
)

// Bounds of a lock's TTL. The server cuts a longer one short.
const (
	MinTTL = time.Second
	MaxTTL = 300 * time.Second
)

// LockOption is what is not required of taking a lock.
type LockOption func(*lockInput)

// WithTTL sets how long a grant lasts unless it is renewed: whole seconds, 1 to
// 300, 30 by default. It is how long others wait if the holder dies.
func WithTTL(d time.Duration) LockOption { return func(l *lockInput) { l.ttl = d } }

// WithSharing takes the lock together with others that share it. By default it
// is exclusive.
func WithSharing() LockOption { return func(l *lockInput) { l.Exclusive = false } }

// WithInstanceID sets who takes the lock, 1 to 64 bytes of text. By default it is
// a random id of this call.
func WithInstanceID(id string) LockOption { return func(l *lockInput) { l.InstanceID = id } }

type lockInput struct {
	Name       string        `json:"name"`
	InstanceID string        `json:"instanceId"`
	Acquire    bool          `json:"acquire"`
	Exclusive  bool          `json:"exclusive"`
	TTLSeconds int           `json:"ttlSeconds"`
	Token      FenceToken    `json:"token,omitempty"` // of the grant that is renewed
	ttl        time.Duration // in TTLSeconds once checked
}

func newLockInput(name string, opts []LockOption) (lockInput, error) {
	l := lockInput{Name: name, Acquire: true, Exclusive: true, ttl: 30 * time.Second}
	for _, set := range opts {
		set(&l)
	}
	if l.InstanceID == "" {
		l.InstanceID = randomID()
	}
	if l.ttl < MinTTL || l.ttl > MaxTTL || l.ttl%time.Second != 0 {
		return lockInput{}, &Error{
			Code: ErrBadUserInput, Field: "ttl",
			Message: fmt.Sprintf("a TTL is whole seconds from %v to %v, not %v", MinTTL, MaxTTL, l.ttl),
		}
	}
	l.TTLSeconds = int(l.ttl / time.Second)
	return l, nil
}

// Grant is a hold on a lock.
type Grant struct {
	// InstanceID is who holds it.
	InstanceID string
	// Renewed: the instance held the lock already and kept its token.
	Renewed   bool
	Token     FenceToken
	ExpiresAt time.Time // by the server's clock
	Lock      Lock      // the state after
}

// LockState reads the state of a lock. One that nobody ever took is free.
func (c *Client) LockState(ctx context.Context, name string) (Lock, error) {
	var answer struct{ Lock Lock }
	_, err := c.call(ctx, operation{document: lockDocument}, map[string]any{"name": name}, &answer)
	return answer.Lock, err
}

// SetLock takes a lock once, or renews, upgrades or downgrades the hold of the
// same instance id, and leaves it at that: see AcquireLock for a lease that
// renews itself. The error is a *HeldError if others hold the lock.
func (c *Client) SetLock(ctx context.Context, name string, opts ...LockOption) (Grant, error) {
	input, err := newLockInput(name, opts)
	if err != nil {
		return Grant{}, err
	}
	grant, _, err := c.setLock(ctx, input, pace{})
	return grant, err
}

// ReleaseLock ends an instance's hold on a lock, if there is one.
func (c *Client) ReleaseLock(ctx context.Context, name, instanceID string) error {
	_, _, err := c.setLock(ctx, lockInput{Name: name, InstanceID: instanceID, TTLSeconds: 1}, pace{})
	return err
}

func (c *Client) setLock(ctx context.Context, input lockInput, p pace) (Grant, time.Time, error) {
	var answer struct {
		SetLock struct {
			Status    string
			Renewed   bool
			Token     FenceToken
			ExpiresAt time.Time
			Lock      Lock
		}
	}
	sent, err := c.call(ctx, operation{document: setLockDocument, pace: p}, withInput(input), &answer)
	if err != nil {
		return Grant{}, sent, err
	}
	a := answer.SetLock
	switch {
	case a.Status == "HELD":
		return Grant{}, sent, &HeldError{Lock: a.Lock}
	case a.Status == "RELEASED" && input.Token != 0 && a.Lock.Locked:
		return Grant{}, sent, fmt.Errorf("%w: %w", ErrLockLost, &HeldError{Lock: a.Lock})
	case a.Status == "RELEASED" && input.Token != 0:
		return Grant{}, sent, fmt.Errorf("%w: the grant that was to be renewed has ended", ErrLockLost)
	case a.Status == "ACQUIRED" && input.Acquire && a.Token > 0, a.Status == "RELEASED" && !input.Acquire:
		return Grant{
			InstanceID: input.InstanceID, Renewed: a.Renewed,
			Token: a.Token, ExpiresAt: a.ExpiresAt, Lock: a.Lock,
		}, sent, nil
	default:
		return Grant{}, sent, fmt.Errorf("%w: lock status %q with token %d", ErrProtocol, a.Status, a.Token)
	}
}

// WatchLock yields the state of a lock at once and after each change, expiry
// included. States in between may be left out, the latest never is. It resumes
// by itself after a disconnect, and then yields the state again. It ends when
// ctx does, or with an error that no retry mends.
func (c *Client) WatchLock(ctx context.Context, name string) iter.Seq2[Lock, error] {
	return func(yield func(Lock, error) bool) {
		sub := subscription{
			document:  lockChangedDocument,
			variables: func() any { return map[string]any{"name": name} },
		}
		err := watch(ctx, c, sub, func(data struct{ LockChanged Lock }) (bool, error) {
			return yield(data.LockChanged, nil), nil
		})
		if err != nil {
			yield(Lock{}, err)
		}
	}
}
