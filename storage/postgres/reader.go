package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"syncline/storage/commit"
	"syncline/storage/failure"
)

// Reader reads rows beside the writers. It is safe for concurrent use.
type Reader struct{ pool *sql.DB }

// NewReader takes a pool of pgx's connections.
func NewReader(pool *sql.DB) *Reader { return &Reader{pool: pool} }

// Read reads one state of the database in one round trip; keys are sorted. found is
// called for each key whose row exists. Errors are *commit.Failure, or faults of
// this program.
func (r *Reader) Read(ctx context.Context, keys []commit.Key, found func(commit.Key, any)) error {
	err := r.Use(ctx, func(conn *pgx.Conn) error {
		var b pgx.Batch
		b.Queue("begin isolation level repeatable read read only")
		b.Queue(NeverScan)
		queueReads(&b, keys, found)
		b.Queue("commit")
		return conn.SendBatch(ctx, &b).Close()
	})
	return failure.Of(err)
}

// Use runs f on a connection, which is used again only if f leaves no transaction
// open, or it can be ended. Errors are the driver's and f's.
func (r *Reader) Use(ctx context.Context, f func(*pgx.Conn) error) error {
	conn, err := r.pool.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close() //nolint:errcheck // it was closed already if it is of no more use
	var failed error
	err = conn.Raw(func(driverConn any) error {
		c, ok := driverConn.(*stdlib.Conn)
		if !ok {
			return fmt.Errorf("postgres: unknown connection %T", driverConn)
		}
		failed = f(c.Conn())
		if EndTransaction(c.Conn()) != nil {
			return driver.ErrBadConn // not to be used again
		}
		return nil
	})
	if failed == nil && !errors.Is(err, driver.ErrBadConn) {
		failed = err
	}
	return failed
}
