// Package entstore keeps records in SQLite or PostgreSQL by way of Ent.
package entstore

import (
	"context"
	"database/sql"
	"time"

	"syncline/ent"
	"syncline/record"
)

// Store is a record.Store. Make one with New.
type Store struct {
	write, read *ent.Client
	dialect     string
	now         func() time.Time
}

var _ record.Store = (*Store)(nil)

// Option changes a Store from its defaults.
type Option func(*Store)

// WithClock replaces time.Now as what stamps records.
func WithClock(now func() time.Time) Option {
	return func(s *Store) { s.now = now }
}

// New puts a migrated database to use. write begins transactions that hold the
// write lock from their start (SQLite) or lock rows (PostgreSQL); read serves
// everything else and may be the same client. dialect is Ent's name of the kind
// of database.
func New(write, read *ent.Client, dialect string, options ...Option) *Store {
	s := &Store{write: write, read: read, dialect: dialect, now: time.Now}
	for _, option := range options {
		option(s)
	}
	return s
}

// Write implements record.Store.
func (s *Store) Write(ctx context.Context, owner record.Owner, request record.Request) (record.Result, error) {
	var result record.Result
	err := retry(ctx, func() (err error) {
		result, err = s.writeOnce(ctx, owner, request)
		return err
	})
	return result, err
}

// writeOnce gives one request a transaction of its own.
func (s *Store) writeOnce(ctx context.Context, owner record.Owner, request record.Request) (record.Result, error) {
	tx, server, end, err := s.begin(ctx)
	if err != nil {
		return record.Result{}, unavailable(err)
	}
	defer end()
	verdict, err := s.judge(server, tx, owner, request)
	if err == nil && !changes(verdict) && !verdict.Result.Replayed {
		return verdict.Result, nil
	}
	if err != nil {
		return record.Result{}, unavailable(err)
	}
	// A replay commits too, though it changes nothing: on PostgreSQL that waits
	// until the replicas that must have them have all commits so far, among
	// them the one that is answered for again.
	if err := commit(server, tx); err != nil {
		return record.Result{}, err
	}
	return verdict.Result, nil
}

// changes tells whether there is anything to commit.
func changes(v record.Verdict) bool { return len(v.Changed) > 0 || v.Mutation != nil }

// transactionTime bounds a transaction, so that a database that stopped
// answering does not hold requests for ever.
const transactionTime = 30 * time.Second

// begin starts a transaction that writes. Up to then the end of ctx stops it;
// from then on the transaction goes by the context that is returned, which the
// request's end does not touch. end rolls back what was not committed.
func (s *Store) begin(ctx context.Context) (tx *ent.Tx, server context.Context, end func(), err error) {
	server, cancel := context.WithTimeout(context.WithoutCancel(ctx), transactionTime)
	detach := context.AfterFunc(ctx, cancel)
	// Read committed: each statement sees what was committed before it began,
	// so what follows the lock on the account sees all that the lock waited for.
	tx, err = s.write.BeginTx(server, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	detached := detach()
	end = func() {
		if tx != nil {
			tx.Rollback() //nolint:errcheck // after a commit it fails, else the connection is lost with its transaction
		}
		cancel()
	}
	if !detached {
		end()
		return nil, nil, nil, ctx.Err()
	}
	if err != nil {
		cancel()
		return nil, nil, nil, err
	}
	return tx, server, end, nil
}

// snapshot runs f in a transaction that reads one state of the database, within
// transactionTime.
func (s *Store) snapshot(ctx context.Context, f func(ctx context.Context, tx *ent.Tx) error) error {
	return retry(ctx, func() error {
		server, cancel := context.WithTimeout(ctx, transactionTime)
		defer cancel()
		tx, err := s.read.BeginTx(server, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
		if err == nil {
			defer tx.Rollback() //nolint:errcheck // there is nothing to lose
			err = f(server, tx)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return unavailable(err)
	})
}
