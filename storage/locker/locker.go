// Package locker keeps locks in SQLite or PostgreSQL by way of Ent.
//
// Holds survive a restart. They end by the clock of the database: PostgreSQL's
// own, or with SQLite this process's.
package locker

import (
	"context"
	"time"

	"syncline/ent"
	"syncline/locks"
)

// Locker is a locks.Locker. Make one with New.
type Locker struct {
	write, read *ent.Client
	dialect     string
	now         func() time.Time // SQLite has no clock of its own
	turns       *turns
	working     gate // of transactions that do not wait for an account
	patient     gate // of those that do
}

var _ locks.Locker = (*Locker)(nil)

// Option changes a Locker from its defaults.
type Option func(*Locker)

// WithClock replaces time.Now as the clock of SQLite. PostgreSQL goes by its own.
func WithClock(now func() time.Time) Option {
	return func(l *Locker) { l.now = now }
}

// New puts a migrated database to use. Both clients stand over a pool of
// connections by Ent's own driver. write begins transactions that hold the
// write lock from their start (SQLite) or lock rows (PostgreSQL); read serves
// everything else and may be the same client. dialect is Ent's name of the kind
// of database.
func New(write, read *ent.Client, dialect string, options ...Option) *Locker {
	pool, ok := write.Pool()
	if !ok {
		panic("locker: the client has no pool of connections")
	}
	l := &Locker{write: write, read: read, dialect: dialect, now: time.Now, turns: newTurns()}
	l.working, l.patient = newGates(pool.Stats().MaxOpenConnections)
	for _, option := range options {
		option(l)
	}
	return l
}

// Acquire implements locks.Locker. The holders, the token and the fence change
// in one transaction, which holds the owner's counter row from its start.
func (l *Locker) Acquire(ctx context.Context, owner locks.Owner, request locks.Request) (locks.Grant, error) {
	var grant locks.Grant
	err := l.transact(ctx, owner, func(ctx context.Context, tx *ent.Tx, counter locks.Token) (bool, error) {
		var err error
		grant, err = l.acquire(ctx, tx, counter, locks.Key{Owner: owner, Name: request.Name}, request)
		return grant.Acquired, err
	})
	if err != nil {
		return locks.Grant{}, err
	}
	return grant, nil
}

func (l *Locker) acquire(ctx context.Context, tx *ent.Tx, counter locks.Token, key locks.Key, request locks.Request) (locks.Grant, error) {
	fence, err := readFence(ctx, tx.Lock, key)
	if err != nil {
		return locks.Grant{}, err
	}
	lock, err := l.readOne(ctx, tx, key)
	if err != nil {
		return locks.Grant{}, err
	}
	lock = withoutFenced(lock, fence)
	decision := locks.Decide(lock, request)
	if !decision.Granted {
		return locks.Grant{Ended: decision.Ended, Lock: lock}, nil
	}
	if decision.NewToken {
		if decision.Token, err = takeToken(ctx, tx, key.Owner, counter); err != nil {
			return locks.Grant{}, err
		}
	}
	if err := raiseFence(ctx, tx, key, fence, decision.Token); err != nil {
		return locks.Grant{}, err
	}
	hold := locks.Holder{
		InstanceID: request.InstanceID,
		Token:      decision.Token,
		ExpiresAt:  lock.ReadAt.Add(request.TTL).Truncate(time.Microsecond),
	}
	lock = withHold(lock, hold, request.Exclusive)
	if err := keepHold(ctx, tx, key, lock, fence, hold); err != nil {
		return locks.Grant{}, err
	}
	return locks.Grant{
		Acquired:  true,
		Renewed:   decision.Renewed,
		Token:     hold.Token,
		ExpiresAt: hold.ExpiresAt,
		Lock:      lock,
	}, nil
}

// Release implements locks.Locker. Without a hold to end it writes nothing.
func (l *Locker) Release(ctx context.Context, key locks.Key, instanceID string) (locks.Lock, error) {
	lock, err := l.readKey(ctx, key)
	if err != nil || !holds(lock, instanceID) {
		return lock, err
	}
	err = l.transact(ctx, key.Owner, func(ctx context.Context, tx *ent.Tx, _ locks.Token) (bool, error) {
		if err := dropHolder(ctx, tx, key, instanceID); err != nil {
			return false, err
		}
		var err error
		lock, err = l.readOne(ctx, tx, key)
		return true, err
	})
	if err != nil {
		return locks.Lock{}, err
	}
	return lock, nil
}

// Read implements locks.Locker. More than maxKeys locks take more than one query.
func (l *Locker) Read(ctx context.Context, keys []locks.Key) ([]locks.Lock, error) {
	server, cancel := context.WithTimeout(ctx, transactionTime)
	defer cancel()
	found, err := l.readAll(server, l.read, keys)
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, unavailable(err)
	}
	return found, nil
}

func (l *Locker) readKey(ctx context.Context, key locks.Key) (locks.Lock, error) {
	found, err := l.Read(ctx, []locks.Key{key})
	if err != nil {
		return locks.Lock{}, err
	}
	return found[0], nil
}
