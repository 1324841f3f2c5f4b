package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Lease is a held lock that renews itself until it is released or lost. It is
// safe for concurrent use.
//
// A process that was stopped for long may believe in its lease for a moment
// after others took the lock. What keeps data safe then is the fence: give
// Fence with each write.
type Lease struct {
	client *Client
	input  lockInput
	token  FenceToken

	once sync.Once
	stop chan struct{} // closed by Release
	done chan struct{} // closed when the lease has ended
	err  error         // why, once done is closed
	// abort ends the renewal that is under way.
	abort context.CancelFunc
}

// TryLock takes a lock, or fails with a *HeldError if others hold it. ctx
// bounds the call, not the lease: that lasts until Release or loss.
func (c *Client) TryLock(ctx context.Context, name string, opts ...LockOption) (*Lease, error) {
	input, err := newLockInput(name, opts)
	if err != nil {
		return nil, err
	}
	return c.tryLock(ctx, input)
}

// AcquireLock takes a lock and waits while others hold it. ctx bounds the
// wait, not the lease: that lasts until Release or loss. If ctx ends while others
// hold the lock, the error wraps that of ctx and a *HeldError.
func (c *Client) AcquireLock(ctx context.Context, name string, opts ...LockOption) (*Lease, error) {
	input, err := newLockInput(name, opts)
	if err != nil {
		return nil, err
	}
	pause := backoff{longest: time.Second}
	for again := false; ; again = true {
		lease, err := c.tryLock(ctx, input)
		held, ok := errors.AsType[*HeldError](err)
		if !ok {
			return lease, err
		}
		if again { // another was quicker: those who wait do not all come back at once
			_ = sleep(ctx, pause.next(0)) // awaitTurn tells of ctx's end
		}
		if err := c.awaitTurn(ctx, input, held.Lock); err != nil {
			return nil, err
		}
	}
}

// awaitTurn waits until no other holds a lock in the way. It watches anew, from
// the state after the try that failed: of a lock that was taken and freed in
// between, a watch that knew it as free has nothing to tell.
func (c *Client) awaitTurn(ctx context.Context, input lockInput, holders Lock) error {
	for state, err := range c.WatchLock(ctx, input.Name) {
		switch {
		case err != nil:
			return stillHeld(err, holders)
		case input.isBarred(state):
			holders = state
		default:
			return nil
		}
	}
	return context.Cause(ctx)
}

// isBarred tells whether others hold the lock in a way that does not allow it.
func (l lockInput) isBarred(state Lock) bool {
	return (state.Exclusive || l.Exclusive) && slices.ContainsFunc(state.Holders, func(h LockHolder) bool {
		return h.InstanceID != l.InstanceID
	})
}

// stillHeld adds who was last seen to hold a lock to the end of waiting for it.
func stillHeld(err error, holders Lock) error {
	if holders.Locked && !errors.Is(err, ErrUnreachable) {
		return fmt.Errorf("%w: %w", err, &HeldError{Lock: holders})
	}
	return err
}

func (c *Client) tryLock(ctx context.Context, input lockInput) (*Lease, error) {
	grant, sent, err := c.setLock(ctx, input, pace{try: input.ttl / 3})
	if err != nil {
		return nil, err
	}
	ctx, abort := context.WithCancel(context.WithoutCancel(ctx))
	l := &Lease{
		client: c, input: input, token: grant.Token,
		stop: make(chan struct{}), done: make(chan struct{}), abort: abort,
	}
	go l.keep(ctx, sent)
	return l, nil
}

// Name is the lock's name.
func (l *Lease) Name() string { return l.input.Name }

// InstanceID is who holds the lock.
func (l *Lease) InstanceID() string { return l.input.InstanceID }

// Token is the grant's fence token. It stays the same for the whole lease.
func (l *Lease) Token() FenceToken { return l.token }

// Fence makes writes conditional on the lease: see WithFence.
func (l *Lease) Fence() Fence { return Fence{Lock: l.Name(), Token: l.token} }

// Done is closed when the lease has ended: released, taken over by others, or
// not renewed in time by the local clock, counted from before its last grant
// was asked for.
func (l *Lease) Done() <-chan struct{} { return l.done }

// Err is nil while the lease lasts. Afterwards it is ErrReleased, or an error
// that wraps ErrLockLost and says why.
func (l *Lease) Err() error {
	select {
	case <-l.done:
		return l.err
	default:
		return nil
	}
}

// Release ends the lease and frees the lock. The error wraps ErrLockLost if the
// lease was lost before; then what was done under it may not have been alone.
// Only the first call does anything. If ctx ends before the server answered, the
// lock frees itself when its TTL has passed.
func (l *Lease) Release(ctx context.Context) error {
	var err error
	l.once.Do(func() { err = l.release(ctx) })
	return err
}

func (l *Lease) release(ctx context.Context) error {
	close(l.stop)
	select {
	case <-l.done:
	case <-ctx.Done(): // do not wait for a renewal under way
		l.abort()
		<-l.done
	}
	if !errors.Is(l.err, ErrReleased) {
		return l.err
	}
	return l.client.ReleaseLock(ctx, l.Name(), l.InstanceID())
}

// keep renews the lease until it ends. sent is the instant right before the
// grant was asked for: the server's TTL began later.
func (l *Lease) keep(ctx context.Context, sent time.Time) {
	defer l.abort()
	l.err = l.renew(ctx, sent)
	close(l.done)
}

// renew renews the lease at a third of its TTL, and answers why it ended.
func (l *Lease) renew(ctx context.Context, sent time.Time) error {
	next := sent.Add(l.input.ttl / 3)
	for l.sleepUntil(next) {
		again, err := l.ask(ctx, sent)
		switch {
		case err == nil:
			sent, next = again, again.Add(l.input.ttl/3)
		case errors.Is(err, ErrLockLost):
			return err
		case errors.Is(err, ErrHeld) || !l.lasts(sent):
			return fmt.Errorf("%w: %w", ErrLockLost, err)
		default: // there is time left, also after an answer of a gateway that makes no sense
			next = earlier(time.Now().Add(l.input.ttl/10), l.end(sent))
		}
	}
	return ErrReleased
}

// sleepUntil waits for an instant; false if the lease was released.
func (l *Lease) sleepUntil(t time.Time) bool {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.stop:
		return false
	}
}

// end is when the lease ends unless renewed: a tenth of the TTL early, for
// clocks that differ in pace.
func (l *Lease) end(sent time.Time) time.Time { return sent.Add(l.input.ttl - l.input.ttl/10) }

func (l *Lease) lasts(sent time.Time) bool { return time.Until(l.end(sent)) > 0 }

// ask renews the grant until the lease's end, and answers when the request was
// sent. It names the token: one that arrives late must not take the lock again,
// for nobody.
func (l *Lease) ask(ctx context.Context, sent time.Time) (time.Time, error) {
	ctx, cancel := context.WithDeadline(ctx, l.end(sent))
	defer cancel()
	renewal := l.input
	renewal.Token = l.token
	grant, again, err := l.client.setLock(ctx, renewal, pace{try: l.input.ttl / 3, pause: l.input.ttl / 10})
	if err == nil && grant.Token != l.token {
		err = fmt.Errorf("%w: renewed with token %d instead of %d", ErrLockLost, grant.Token, l.token)
	}
	return again, err
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
