package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"syncline/storage/commit"
	"syncline/storage/failure"
)

// Reader reads rows beside the writers. It is safe for concurrent use.
type Reader struct{ pool *sql.DB }

// NewReader takes a pool of connections that begin transactions without the write
// lock.
func NewReader(pool *sql.DB) *Reader { return &Reader{pool: pool} }

// keysBetween is how many rows are read between two looks at whether anybody
// still waits for them.
const keysBetween = 1000

// Read reads one state of the database; keys are sorted. found is called for each
// key whose row exists. Errors are *commit.Failure, the context's, or faults of
// this program.
func (r *Reader) Read(ctx context.Context, keys []commit.Key, found func(commit.Key, any)) error {
	conn, err := r.pool.Conn(ctx)
	if err != nil {
		return failure.Of(fmt.Errorf("connect: %w", err))
	}
	defer conn.Close() //nolint:errcheck // it was closed already if it is of no more use
	var failed error
	err = conn.Raw(func(driverConn any) error {
		c, ok := driverConn.(connection)
		if !ok {
			return fmt.Errorf("sqlite: unknown connection %T", driverConn)
		}
		tx, err := c.BeginTx(ctx, driver.TxOptions{})
		if err != nil {
			failed = failure.Of(fmt.Errorf("begin to read: %w", err))
			return nil
		}
		for failed == nil && len(keys) > 0 {
			n := min(len(keys), keysBetween)
			if failed = ctx.Err(); failed == nil {
				failed = read(c, keys[:n], found)
			}
			keys = keys[n:]
		}
		if !rolledBack(tx.Rollback()) {
			return driver.ErrBadConn // not to be used again
		}
		return nil
	})
	if failed == nil && err != nil && !errors.Is(err, driver.ErrBadConn) {
		failed = failure.Of(err)
	}
	return failed
}
