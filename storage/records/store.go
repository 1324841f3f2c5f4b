// Package records keeps records in SQLite or PostgreSQL by way of Ent.
package records

import (
	"context"
	"time"

	"syncline/ent"
	"syncline/record"
	"syncline/storage"
	"syncline/storage/commit"
	"syncline/storage/failure"
)

// Store is a record.Store. Make one with New.
//
// Writes that wait at the same time share a transaction: see commit.
type Store struct {
	read   *ent.Client
	rows   storage.Reader
	now    func() time.Time
	engine *commit.Engine

	tracesExceed func(record.Owner) // nil: nobody is told
}

var _ record.Store = (*Store)(nil)

// Option changes a Store from its defaults.
type Option func(*Store)

// WithClock replaces time.Now as what stamps records.
func WithClock(now func() time.Time) Option {
	return func(s *Store) { s.now = now }
}

// WhenTracesExceed has f told of owners who write while they have left more than
// record.Quota.Traces allows. f must not wait for anything. It is set before the
// first write.
func (s *Store) WhenTracesExceed(f func(record.Owner)) { s.tracesExceed = f }

// New keeps records in a migrated database, by its engine.
func New(db *storage.DB, engine *commit.Engine, options ...Option) *Store {
	s := &Store{read: db.Read, rows: db.Rows(), now: time.Now, engine: engine}
	for _, option := range options {
		option(s)
	}
	return s
}

// Engine carries out the writes.
func (s *Store) Engine() *commit.Engine { return s.engine }

// Waiting is how many writes wait for a transaction.
func (s *Store) Waiting() int { return s.engine.Waiting() }

// Close refuses the writes that come from now on, and waits until those that
// came before are done, or ctx ends. A store that has nothing to write needs no
// Close.
func (s *Store) Close(ctx context.Context) { s.engine.Close(ctx) }

// transactionTime bounds a read, so that a database that stopped answering does
// not hold requests for ever.
const transactionTime = 30 * time.Second

// reading runs f, which reads, within transactionTime.
func (s *Store) reading(ctx context.Context, f func(ctx context.Context) error) error {
	return failure.Retry(ctx, func() error {
		server, cancel := context.WithTimeout(ctx, transactionTime)
		defer cancel()
		err := f(server)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return unavailable(err)
	})
}
