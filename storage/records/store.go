// Package records keeps records in SQLite or PostgreSQL by way of Ent.
package records

import (
	"context"
	"errors"
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
	write  *ent.Client // for what needs no engine
	rows   storage.Reader
	now    func() time.Time
	engine *commit.Engine

	tracesExceed func(record.Owner) // nil: nobody is told
}

var _ record.Store = (*Store)(nil)

// SetClock replaces time.Now as what stamps records. It is set before the first write.
func (s *Store) SetClock(now func() time.Time) { s.now = now }

// WhenTracesExceed has f told of owners who write while they have left more than
// record.Quota.Traces allows. f must not wait for anything. It is set before the
// first write.
func (s *Store) WhenTracesExceed(f func(record.Owner)) { s.tracesExceed = f }

// New keeps records in a migrated database, by its engine.
func New(db *storage.DB, engine *commit.Engine) *Store {
	return &Store{read: db.Read, write: db.Write, rows: db.Rows(), now: time.Now, engine: engine}
}

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
		return unavailable(failure.Of(err))
	})
}

// unavailable turns a failure of the database into an *record.UnavailableError. Other
// errors pass, that of a client who left above all.
func unavailable(err error) error {
	f, ok := errors.AsType[*commit.Failure](err)
	if !ok {
		return err
	}
	return &record.UnavailableError{RetryAfter: f.RetryAfter, OutcomeUnknown: f.Outcome == commit.Unknown, Err: err}
}
