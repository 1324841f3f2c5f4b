// Package locker keeps locks in the database.
//
// What it does to a lock is a unit of work of commit, so locks share transactions
// with writes and with one another. Holds survive a restart. They end by the
// clock of the database: PostgreSQL's own, or with SQLite this process's.
//
// In the order in which a request meets them: Locker, then its unit of work in
// units.go, which has locks.Decide decide.
package locker

import (
	"context"
	"errors"
	"slices"
	"time"

	"syncline/locks"
	"syncline/storage"
	"syncline/storage/commit"
	"syncline/storage/row"
)

// Locker is a locks.Locker. Make one with New.
type Locker struct {
	engine *commit.Engine
	rows   storage.Reader
	now    func() time.Time // for a database that has no clock of its own
}

var _ locks.Locker = (*Locker)(nil)

// Option changes a Locker from its defaults.
type Option func(*Locker)

// WithClock replaces time.Now as the clock of SQLite. PostgreSQL goes by its own.
func WithClock(now func() time.Time) Option {
	return func(l *Locker) { l.now = now }
}

// New keeps locks in a migrated database, by its engine.
func New(db *storage.DB, engine *commit.Engine, options ...Option) *Locker {
	l := &Locker{engine: engine, rows: db.Rows(), now: time.Now}
	for _, option := range options {
		option(l)
	}
	return l
}

// Acquire implements locks.Locker. The holds, the token and the fence change in
// one transaction, under the lock of the owner's account.
func (l *Locker) Acquire(ctx context.Context, owner locks.Owner, request locks.Request) (locks.Grant, error) {
	a := &acquire{key: locks.Key{Owner: owner, Name: request.Name}, request: request, now: l.now}
	if err := l.do(ctx, a); err != nil {
		return locks.Grant{}, err
	}
	return a.grant, nil
}

// Release implements locks.Locker. Without a hold to end it writes nothing.
func (l *Locker) Release(ctx context.Context, key locks.Key, instanceID string) (locks.Lock, error) {
	r := &release{key: key, instanceID: instanceID, now: l.now}
	if err := l.do(ctx, r); err != nil {
		return locks.Lock{}, err
	}
	return r.lock, nil
}

// TakeToken takes the owner's next token, for a Locker that keeps its holds
// elsewhere. Errors are those of a locks.Locker.
func (l *Locker) TakeToken(ctx context.Context, owner locks.Owner) (locks.Token, error) {
	t := &takeToken{owner: owner}
	err := l.do(ctx, t)
	return t.token, err
}

// RaiseFence brings a lock's fence to a token, unless it stands there or above,
// and answers where it stands. It is for a Locker that keeps its holds elsewhere.
// Errors are those of a locks.Locker.
func (l *Locker) RaiseFence(ctx context.Context, key locks.Key, token locks.Token) (locks.Token, error) {
	var fence row.Fence
	err := l.read(ctx, []commit.Key{fenceOf(key)}, func(_ commit.Key, value any) { fence = value.(row.Fence) })
	if err == nil && locks.Token(fence.Token) >= token && !outOfDate(fence, l.now()) { // a renewal's, mostly
		return locks.Token(fence.Token), nil
	}
	r := &raiseFence{key: key, token: token, now: l.now}
	err = l.do(ctx, r)
	return r.fence, err
}

// Read implements locks.Locker.
func (l *Locker) Read(ctx context.Context, keys []locks.Key) ([]locks.Lock, error) {
	wanted := make([]commit.Key, len(keys), len(keys)+1)
	for i, key := range keys {
		wanted[i] = holdsOf(key)
	}
	wanted = append(wanted, row.PresentTime)
	slices.SortFunc(wanted, commit.Key.Compare)
	now, holds := utc(l.now()), make(map[commit.Key][]row.Hold)
	err := l.read(ctx, slices.Compact(wanted), func(key commit.Key, value any) {
		if key == row.PresentTime {
			now = value.(time.Time)
		} else {
			holds[key] = value.([]row.Hold)
		}
	})
	if err != nil {
		return nil, err
	}
	found := make([]locks.Lock, len(keys))
	for i, key := range keys {
		found[i] = toLock(key.Name, live(holds[holdsOf(key)], now), now)
	}
	return found, nil
}

// readTime bounds a read, so that a database that stopped answering does not hold
// requests for ever.
const readTime = 30 * time.Second

func (l *Locker) read(ctx context.Context, keys []commit.Key, found func(commit.Key, any)) error {
	server, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	err := l.rows.Read(server, keys, found)
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return unavailable(err)
}

// do has a unit of work carried out. The end of ctx stops it before it begins, and
// not any more after that, so that whoever still listens learns what became of it.
func (l *Locker) do(ctx context.Context, unit commit.Unit) error {
	err := l.engine.Do(ctx, unit)
	if _, failed := errors.AsType[*commit.Failure](err); err != nil && !failed && ctx.Err() != nil {
		return ctx.Err()
	}
	return unavailable(err)
}

// unavailable says that the database is at fault, for a request that got here is
// valid.
func unavailable(err error) error {
	if err == nil {
		return nil
	}
	u := &locks.UnavailableError{RetryAfter: time.Second, Err: err}
	if f, ok := errors.AsType[*commit.Failure](err); ok {
		u.RetryAfter, u.OutcomeUnknown = f.RetryAfter, f.Outcome == commit.Unknown
	}
	return u
}
