// Package sqlite carries out units of work on SQLite: a transaction, and for each
// table its statements.
package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"

	"syncline/storage/commit"
	"syncline/storage/failure"
	"syncline/storage/row"
)

// Store is a commit.Store and a storage.Reader. SQLite has one write lock: no owner is
// ever locked by another.
type Store struct{ pool *sql.DB }

var _ commit.Store = (*Store)(nil)

// New takes a pool of connections. For a commit.Store they begin transactions with
// the write lock, for a reader without it.
func New(pool *sql.DB) *Store { return &Store{pool: pool} }

// connection is what the driver's connections can do. Statements run on it
// directly: database/sql would take longer over them than SQLite does.
type connection interface {
	driver.ConnBeginTx
	driver.ConnPrepareContext
}

// Transact implements commit.Store.
func (s *Store) Transact(ctx context.Context, _ bool, f func(commit.Tx) error) error {
	return s.transact(ctx, func(t *transaction) error { return f(t) })
}

// transact runs f in a transaction, and rolls back what f did not commit. Its error is
// that of f, or says why f was not called.
func (s *Store) transact(ctx context.Context, f func(*transaction) error) error {
	conn, err := s.pool.Conn(ctx)
	if err != nil {
		return failure.Of(fmt.Errorf("connect: %w", err))
	}
	defer conn.Close() //nolint:errcheck // it was closed already if it is of no more use
	var failed error
	err = conn.Raw(func(driverConn any) error {
		t := &transaction{conn: driverConn.(connection)}
		var begun error
		if t.tx, begun = t.conn.BeginTx(ctx, driver.TxOptions{}); begun != nil {
			failed = failure.Of(fmt.Errorf("begin: %w", begun))
			return nil
		}
		failed = f(t)
		if !t.committed && !rolledBack(t.tx.Rollback()) {
			return driver.ErrBadConn // has the pool close it; f has its answer all the same
		}
		return nil
	})
	if failed == nil && err != nil && !errors.Is(err, driver.ErrBadConn) {
		failed = failure.Of(err)
	}
	return failed
}

// rolledBack tells whether a rollback left no transaction. SQLite has an error
// for one that it had rolled back already, as on a full disk.
func rolledBack(err error) bool {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() == sqlitelib.SQLITE_ERROR
	}
	return err == nil
}

// transaction is a commit.Tx. Nothing interrupts its statements; their end is
// that of the process, or of the disk.
type transaction struct {
	conn      connection
	tx        driver.Tx
	committed bool // or the commit failed, which leaves no transaction either
}

// Lock implements commit.Tx. The write lock is taken already.
func (t *transaction) Lock(ctx context.Context, _ []commit.Owner, keys []commit.Key, found func(commit.Key, any)) ([]commit.Owner, error) {
	return nil, t.Read(ctx, keys, found)
}

// Read implements commit.Tx.
func (t *transaction) Read(_ context.Context, keys []commit.Key, found func(commit.Key, any)) error {
	return read(t.conn, keys, found)
}

// read reads the rows of sorted keys. It stops at the first error: that may have
// ended the transaction, and what runs after it would be on its own.
func read(conn driver.ConnPrepareContext, keys []commit.Key, found func(commit.Key, any)) error {
	for len(keys) > 0 {
		n, of := 1, keys[0].Table
		for n < len(keys) && keys[n].Table == of {
			n++
		}
		if at := tables[of]; at.read != "" {
			if err := at.find(conn, of, keys[:n], found); err != nil {
				return failure.Of(fmt.Errorf("read %s: %w", at.name, err))
			}
		}
		keys = keys[n:]
	}
	return nil
}

// Commit implements commit.Tx.
func (t *transaction) Commit(ctx context.Context, changes []commit.Change) error {
	for len(changes) > 0 {
		n, of := 1, changes[0].Key.Table
		for n < len(changes) && changes[n].Key.Table == of {
			n++
		}
		at := tables[of]
		deleted, stored := row.Changed(changes[:n])
		err := each(t.conn, at.remove, deleted)
		if err == nil {
			err = each(t.conn, at.insert, stored)
		}
		if err != nil {
			return failure.Of(fmt.Errorf("write %d %s: %w", n, at.name, err))
		}
		changes = changes[n:]
	}
	if err := ctx.Err(); err != nil {
		return failure.Of(err)
	}
	t.committed = true
	return failure.OfCommit(t.tx.Commit())
}
