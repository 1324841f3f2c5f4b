// Package redislock keeps locks in Redis, their tokens and fences in the database.
//
// A hold ends by Redis's clock. Redis may forget holds: when it restarts empty,
// or when a failover promotes a replica that had not heard of them. Tokens grow
// all the same, because they come from the database, and before a grant is
// answered the lock's fence stands at its token: of two that believe to hold a
// lock, only the one with the newer token can write under it.
//
// The keys of a lock are PREFIX:{OWNER}:lock:x:NAME, :s:NAME and :t:NAME: the
// exclusive hold, the shared ones, and the last token granted. All expire.
//
// The client must obey its calls' contexts (ContextTimeoutEnabled), as those of
// internal/redisclient do. It needs Redis 6.2 or later.
package redislock

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"syncline/locks"
)

const (
	redisTime    = 2 * time.Second // for one operation of Redis
	databaseTime = 5 * time.Second // for one of the database, as far as it follows it
	retryAfter   = time.Second
	// attempts bounds how often a request begins again because another took a
	// newer token meanwhile.
	attempts = 10
)

// Fences are where writes look for a lock's fence, and where tokens come from.
// locker.Locker is one. Errors are those of a locks.Locker.
type Fences interface {
	// TakeToken takes the owner's next token: above all that were taken before.
	TakeToken(ctx context.Context, owner locks.Owner) (locks.Token, error)
	// RaiseFence brings a lock's fence to a token, unless it stands there or
	// above, and answers where it stands.
	RaiseFence(ctx context.Context, key locks.Key, token locks.Token) (locks.Token, error)
}

// Locker is a locks.Locker. Make one with New.
type Locker struct {
	client redis.UniversalClient
	fences Fences
	prefix string
}

var (
	_ locks.Locker    = (*Locker)(nil)
	_ locks.Forgetter = (*Locker)(nil)
)

// Option changes a Locker from its defaults.
type Option func(*Locker)

// WithPrefix replaces "syncline" at the beginning of the keys, which keeps two
// deployments apart that share one Redis.
func WithPrefix(prefix string) Option {
	return func(l *Locker) { l.prefix = prefix }
}

// New makes a locker.
func New(client redis.UniversalClient, fences Fences, options ...Option) *Locker {
	l := &Locker{client: client, fences: fences, prefix: "syncline"}
	for _, option := range options {
		option(l)
	}
	return l
}

// errContended says that a request never came to an end among others.
var errContended = errors.New("redislock: newer tokens were granted at every attempt")

// Acquire implements locks.Locker. Once begun it is not stopped by the end of
// ctx, so that no grant is left without its fence because nobody listens any more.
func (l *Locker) Acquire(ctx context.Context, owner locks.Owner, request locks.Request) (locks.Grant, error) {
	if err := ctx.Err(); err != nil {
		return locks.Grant{}, err
	}
	ctx = context.WithoutCancel(ctx)
	key := locks.Key{Owner: owner, Name: request.Name}
	var token locks.Token // none yet: renewals and refusals need none
	for range attempts {
		a, err := l.ask(ctx, key, request, token)
		if err != nil {
			return locks.Grant{}, err
		}
		switch a.outcome {
		case held, ended:
			return locks.Grant{Ended: a.outcome == ended, Lock: a.lock}, nil
		case needsToken, stale:
			token, err = l.takeToken(ctx, owner)
		default:
			var fence locks.Token
			fence, err = l.raiseFence(ctx, key, request.InstanceID, a)
			if err == nil && fence == a.token {
				return a.grant(request.InstanceID), nil
			}
			token = 0
		}
		if err != nil {
			return locks.Grant{}, err
		}
	}
	return locks.Grant{}, &locks.UnavailableError{RetryAfter: retryAfter, Err: errContended}
}

func (l *Locker) ask(ctx context.Context, key locks.Key, request locks.Request, token locks.Token) (answer, error) {
	exclusive := 0
	if request.Exclusive {
		exclusive = 1
	}
	return l.run(ctx, acquireScript, key, request.InstanceID, exclusive, request.TTL.Milliseconds(), int64(token), int64(request.Renews))
}

func (l *Locker) takeToken(ctx context.Context, owner locks.Owner) (locks.Token, error) {
	ctx, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	token, err := l.fences.TakeToken(ctx, owner)
	if err != nil {
		return 0, unavailable(fmt.Errorf("take a token: %w", err), false)
	}
	return token, nil
}

// raiseFence brings the fence to a grant's token. A grant whose fence fails is
// taken back, and one below the fence ended: the caller begins again.
func (l *Locker) raiseFence(ctx context.Context, key locks.Key, instanceID string, a answer) (locks.Token, error) {
	bounded, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	fence, err := l.fences.RaiseFence(bounded, key, a.token)
	if err != nil {
		unknown := l.takeBack(ctx, key, instanceID, a)
		return 0, unavailable(fmt.Errorf("raise the fence: %w", err), unknown)
	}
	if fence > a.token {
		_, err = l.run(ctx, fencedScript, key, int64(fence))
	}
	return fence, err
}

// takeBack ends a hold that was granted and cannot be answered. A renewal stays:
// its holder was told before that it has the lock. It tells whether anything of
// the request may remain.
func (l *Locker) takeBack(ctx context.Context, key locks.Key, instanceID string, a answer) (unknown bool) {
	if a.outcome == renewed {
		return true
	}
	_, err := l.run(ctx, releaseScript, key, instanceID, int64(a.token))
	return err != nil || a.outcome == upgraded // which has cost the shared hold
}

// Release implements locks.Locker. Once begun it is not stopped by the end of ctx.
func (l *Locker) Release(ctx context.Context, key locks.Key, instanceID string) (locks.Lock, error) {
	if err := ctx.Err(); err != nil {
		return locks.Lock{}, err
	}
	a, err := l.run(context.WithoutCancel(ctx), releaseScript, key, instanceID, 0)
	return a.lock, err
}

// Forget implements locks.Forgetter. Once begun it is not stopped by the end of ctx.
func (l *Locker) Forget(ctx context.Context, keys []locks.Key, newest locks.Token) error {
	ctx = context.WithoutCancel(ctx)
	for _, key := range keys {
		if _, err := l.run(ctx, fencedScript, key, int64(newest)+1); err != nil {
			return err
		}
	}
	return nil
}

// Read implements locks.Locker. Locks of one owner are read at one instant each,
// by one round trip for maxKeys of them.
func (l *Locker) Read(ctx context.Context, keys []locks.Key) ([]locks.Lock, error) {
	bounded, cancel := context.WithTimeout(ctx, redisTime)
	defer cancel()
	found := make([]locks.Lock, 0, len(keys))
	for some := range slices.Chunk(keys, maxKeys) {
		answers, err := l.readSome(bounded, some)
		if err != nil && timeIsOver(ctx, bounded, err) {
			return nil, cmp.Or(ctx.Err(), context.DeadlineExceeded)
		}
		if err != nil {
			return nil, unavailable(err, false)
		}
		found = append(found, answers...)
	}
	return found, nil
}

// timeIsOver tells whether a call failed because its caller's time was over, which
// the connection may have noticed before ctx itself.
func timeIsOver(ctx, bounded context.Context, err error) bool {
	callers, ok := ctx.Deadline()
	own, _ := bounded.Deadline() // the earlier of the two
	timeout, isTimeout := errors.AsType[net.Error](err)
	return ctx.Err() != nil || ok && callers.Equal(own) && isTimeout && timeout.Timeout()
}
