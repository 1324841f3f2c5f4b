package sqlite

import (
	"context"
	"database/sql"

	"syncline/storage/commit"
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
	return transact(ctx, r.pool, func(t *transaction) error {
		for len(keys) > 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			n := min(len(keys), keysBetween)
			if err := read(t.conn, keys[:n], found); err != nil {
				return err
			}
			keys = keys[n:]
		}
		return nil
	})
}
