// Package redisnonce shares the nonces that were used between instances, by way
// of Redis, so that a captured request cannot be replayed to a sibling.
//
// Each instance has its own memory beside it, which is asked first. While Redis
// is away that memory serves alone: a request may then be replayed to another
// instance, once each. What Redis forgets when it restarts empty, or in a
// failover, is open to the same until the signatures' time has passed. Strict
// refuses all signed requests instead while Redis is away.
//
// A nonce is the key PREFIX:nonce:HASH and expires. The client must heed its
// calls' contexts (ContextTimeoutEnabled), as those of internal/redisclient do.
package redisnonce

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
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
	wait   time.Duration // for Redis; redisTime, save in tests

	started time.Time
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

// New makes a memory of Redis and of this instance's own. now is the clock that
// signatures are verified by.
func New(client redis.UniversalClient, local auth.NonceMemory, now func() time.Time, log *slog.Logger, options ...Option) *Nonces {
	n := &Nonces{client: client, local: local, now: now, log: log, prefix: "syncline", wait: redisTime, started: time.Now()}
	for _, option := range options {
		option(n)
	}
	return n
}

// Remember implements auth.NonceMemory. It waits for Redis half a second at
// most, and not at all while Redis is known to be away, apart from one call each
// second.
func (n *Nonces) Remember(ctx context.Context, key signing.PublicKey, nonce signing.Nonce, until time.Time) error {
	if err := n.local.Remember(ctx, key, nonce, until); err != nil {
		return err
	}
	if !n.mayTry() {
		return n.serveAlone(errAway)
	}
	isNew, err := n.claim(ctx, n.name(key, nonce), until)
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	n.learn(ctx, err)
	if err != nil {
		return n.serveAlone(err)
	}
	if !isNew {
		return auth.ErrNonceReused
	}
	return nil
}

// Away tells whether Redis was away when it was last tried.
func (n *Nonces) Away() bool { return n.nextTry.Load() != 0 }

// Alone is how many nonces were let in without Redis.
func (n *Nonces) Alone() int64 { return n.alone.Load() }

// claim sets a key that no other call has set, and tells whether it did. The
// value tells a call from others: on a cluster the client may send it twice.
func (n *Nonces) claim(ctx context.Context, name string, until time.Time) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, n.wait)
	defer cancel()
	mine := rand.Text()
	ttl := max(until.Sub(n.now())+clockSkew, time.Second)
	err := n.client.SetArgs(ctx, name, mine, redis.SetArgs{Mode: "NX", TTL: ttl}).Err()
	if !errors.Is(err, redis.Nil) {
		return err == nil, err
	}
	there, err := n.client.Get(ctx, name).Result()
	if errors.Is(err, redis.Nil) { // expired since, but it was used
		return false, nil
	}
	return there == mine, err
}

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

func (n *Nonces) serveAlone(err error) error {
	if n.strict {
		return fmt.Errorf("redisnonce: %w", err)
	}
	n.alone.Add(1)
	return nil
}

// name hashes key and nonce: nobody can find another's.
func (n *Nonces) name(key signing.PublicKey, nonce signing.Nonce) string {
	sum := sha256.Sum256(append(key[:], nonce[:]...))
	return n.prefix + ":nonce:" + hex.EncodeToString(sum[:16])
}
