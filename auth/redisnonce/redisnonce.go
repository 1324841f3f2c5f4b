// Package redisnonce shares the nonces that were used between instances, by way
// of Redis, so that a captured request cannot be replayed to a sibling.
//
// Redis also keeps when its memory began. One that comes back empty or from an
// older file, is emptied, or fails over to a replica begins again, and signatures
// from before are refused: what would tell whether they were used is gone.
//
// Each instance has its own memory beside it, which is asked first. While Redis
// is away that memory serves alone, for signatures made since this process
// started: one may then be replayed to another instance, once each. Strict
// refuses all signed requests instead while Redis is away.
//
// A nonce is the key PREFIX:nonce:{SHARD}:HASH and expires. The client must obey
// its calls' contexts (ContextTimeoutEnabled), as those of internal/redisclient do.
package redisnonce

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"syncline/auth"
	"syncline/auth/signing"
)

const (
	// redisTime is how long a request waits for Redis.
	redisTime = 500 * time.Millisecond
	// tryEvery is how often one request tries a Redis that was away.
	tryEvery = time.Second
	// clockSkew is how far the clocks of two instances may be apart. A nonce is
	// kept for so much longer, for the one whose clock is behind.
	clockSkew = 3 * time.Minute
)

var errAway = errors.New("no answer from Redis a moment ago")

// Nonces is an auth.NonceMemory. Make one with New.
type Nonces struct {
	client redis.UniversalClient
	local  auth.NonceMemory
	now    func() time.Time
	log    *slog.Logger
	prefix string
	strict bool
	kept   time.Duration // how long the beginning is kept in Redis; 0: for good
	wait   time.Duration // for Redis; redisTime, save in tests

	started time.Time    // by the clock of this process
	since   time.Time    // the same, by now
	nextTry atomic.Int64 // nanoseconds after started; 0 while Redis is there
	alone   atomic.Int64
}

var _ auth.NonceMemory = (*Nonces)(nil)

// Option changes a Nonces from its defaults.
type Option func(*Nonces)

// WithPrefix replaces "syncline" at the beginning of the keys.
func WithPrefix(prefix string) Option {
	return func(n *Nonces) { n.prefix = prefix }
}

// Strict makes Remember fail while Redis is away.
func Strict() Option {
	return func(n *Nonces) { n.strict = true }
}

// Trial has all that Redis keeps expire within a minute: for who only wants to know, by
// Probe, whether Redis would remember. It needs a prefix of its own.
func Trial() Option {
	return func(n *Nonces) { n.kept = time.Minute }
}

// New makes a memory of Redis and of this instance's own. now is the clock that
// signatures are verified by.
func New(client redis.UniversalClient, local auth.NonceMemory, now func() time.Time, log *slog.Logger, options ...Option) *Nonces {
	n := &Nonces{client: client, local: local, now: now, log: log, prefix: "syncline", wait: redisTime, started: time.Now(), since: now()}
	for _, option := range options {
		option(n)
	}
	return n
}

// Begin looks whether Redis remembers, before the first request comes. Where it
// does not, its memory begins now: signatures created before the next whole second
// will be refused. It waits for Redis half a second at most.
func (n *Nonces) Begin(ctx context.Context) {
	began, err := n.begin(ctx)
	n.learn(ctx, err)
	if began {
		n.log.InfoContext(ctx, "Redis knew no nonces: signatures from before are refused")
	}
}

// Remember implements auth.NonceMemory. It waits for Redis half a second at
// most, and not at all while Redis is known to be away, apart from one call each
// second. A call that finds that Redis has forgotten waits once more.
func (n *Nonces) Remember(ctx context.Context, key signing.PublicKey, nonce signing.Nonce, until time.Time) error {
	if err := n.local.Remember(ctx, key, nonce, until); err != nil {
		return err
	}
	if !n.mayTry() {
		return n.serveAlone(errAway, until)
	}
	a, err := n.remember(ctx, key, nonce, until)
	if err == nil && a.began {
		n.log.WarnContext(ctx, "Redis has forgotten nonces: signatures from before are refused")
		_, _ = n.begin(ctx) // this answer is known; a part that has not begun begins when it is asked
	}
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	n.learn(ctx, err)
	if err != nil {
		return n.serveAlone(err, until)
	}
	if !a.isNew {
		return auth.ErrNonceReused
	}
	return createdSince(n.now().Add(-a.age), until)
}

// createdSince is nil for signatures that were created when their nonces were
// remembered already.
func createdSince(beginning, until time.Time) error {
	if until.Add(-auth.MaxAge).Before(beginning) {
		return &auth.ForgottenError{Before: beginning}
	}
	return nil
}

// Away tells whether Redis was away when it was last tried.
func (n *Nonces) Away() bool { return n.nextTry.Load() != 0 }

// Alone is how many nonces were let in without Redis.
func (n *Nonces) Alone() int64 { return n.alone.Load() }

// mayTry tells whether to ask Redis: always, or while it is away one caller of
// those that come within a while.
func (n *Nonces) mayTry() bool {
	next := n.nextTry.Load()
	now := time.Since(n.started)
	if next == 0 {
		return true
	}
	return int64(now) >= next && n.nextTry.CompareAndSwap(next, int64(now+tryEvery))
}

// learn takes note of whether Redis is there.
func (n *Nonces) learn(ctx context.Context, err error) {
	if err == nil {
		if n.nextTry.Swap(0) != 0 {
			n.log.InfoContext(ctx, "Redis is back; nonces are shared between instances again", "alone", n.Alone())
		}
		return
	}
	if n.nextTry.Swap(int64(time.Since(n.started)+tryEvery)) == 0 {
		n.log.WarnContext(ctx, "Redis is away; nonces are not shared between instances", "strict", n.strict, "error", err)
	}
}

// serveAlone is for when Redis cannot be asked. What an earlier process served is
// known to nobody then.
func (n *Nonces) serveAlone(err error, until time.Time) error {
	if n.strict {
		return fmt.Errorf("redisnonce: %w", err)
	}
	if err := createdSince(n.since, until); err != nil {
		return err
	}
	n.alone.Add(1)
	return nil
}
