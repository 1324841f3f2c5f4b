// Package entstore keeps records in SQLite or PostgreSQL by way of Ent.
package entstore

import (
	"context"
	"database/sql"
	"time"

	"syncline/ent"
	"syncline/internal/txn"
	"syncline/record"
)

// Store is a record.Store. Make one with New.
//
// Writes that wait at the same time share a transaction. The first of an idle
// store begins at once, in one of its own; those that come meanwhile are the
// next group.
type Store struct {
	read     *ent.Client
	readPool *sql.DB // below read
	dialect  string
	now      func() time.Time
	pool     *sql.DB // of connections that write
	queue    *queue
}

var _ record.Store = (*Store)(nil)

// Option changes a Store from its defaults.
type Option func(*Store)

// WithClock replaces time.Now as what stamps records.
func WithClock(now func() time.Time) Option {
	return func(s *Store) { s.now = now }
}

// New puts a migrated database to use. Both clients stand over a pool of
// connections by Ent's own driver. write begins transactions that hold the
// write lock from their start (SQLite) or lock rows (PostgreSQL); read serves
// everything else and may be the same client. dialect is Ent's name of the kind
// of database.
func New(write, read *ent.Client, dialect string, options ...Option) *Store {
	pool, readPool := mustPool(write), mustPool(read)
	s := &Store{read: read, readPool: readPool, dialect: dialect, now: time.Now, pool: pool}
	swiftLimit, patientLimit := committers(dialect, pool.Stats().MaxOpenConnections)
	s.queue = newQueue(swiftLimit, patientLimit, s.commitNext)
	for _, option := range options {
		option(s)
	}
	return s
}

// Waiting is how many writes wait for a transaction.
func (s *Store) Waiting() int { return s.queue.length() }

// Close refuses the writes that come from now on, and waits until those that
// came before are done, or ctx ends. A store that has nothing to write needs no
// Close.
func (s *Store) Close(ctx context.Context) { s.queue.close(ctx) }

// snapshot runs f in a transaction that reads one state of the database, within
// transactionTime.
func (s *Store) snapshot(ctx context.Context, f func(ctx context.Context, tx *ent.Tx) error) error {
	return s.reading(ctx, func(ctx context.Context) error {
		tx, err := s.read.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
		if err != nil {
			return err
		}
		defer tx.Rollback() //nolint:errcheck // there is nothing to lose
		return f(ctx, tx)
	})
}

// reading runs f, which reads, within transactionTime.
func (s *Store) reading(ctx context.Context, f func(ctx context.Context) error) error {
	return txn.Retry(ctx, func() error {
		server, cancel := context.WithTimeout(ctx, transactionTime)
		defer cancel()
		err := f(server)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return unavailable(err)
	})
}

func mustPool(c *ent.Client) *sql.DB {
	pool, ok := c.Pool()
	if !ok {
		panic("entstore: the client has no pool of connections")
	}
	return pool
}
