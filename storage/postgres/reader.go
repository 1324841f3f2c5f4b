package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"syncline/storage/commit"
	"syncline/storage/failure"
)

// Reader reads rows beside the writers. It is safe for concurrent use.
type Reader struct{ pool *pgxpool.Pool }

// NewReader takes a pool that others may share.
func NewReader(pool *pgxpool.Pool) *Reader { return &Reader{pool: pool} }

// Read reads one state of the database in one round trip; keys are sorted. found is
// called for each key whose row exists. Errors are *commit.Failure, or faults of
// this program.
func (r *Reader) Read(ctx context.Context, keys []commit.Key, found func(commit.Key, any)) error {
	err := r.use(ctx, func(conn *pgx.Conn) error {
		var b pgx.Batch
		b.Queue("begin isolation level repeatable read read only")
		b.Queue(NeverScan)
		queueReads(&b, keys, found)
		b.Queue("commit")
		return conn.SendBatch(ctx, &b).Close()
	})
	return failure.Of(err)
}

// use runs f on a connection. Errors are the driver's and f's.
func (r *Reader) use(ctx context.Context, f func(*pgx.Conn) error) error {
	conn, err := r.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Release() // closes it if a transaction is still open
	defer rollback(conn.Conn())
	return f(conn.Conn())
}
