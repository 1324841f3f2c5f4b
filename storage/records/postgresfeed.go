package records

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"syncline/ent"
	"syncline/record"
	"syncline/storage/postgres"
)

// postgresChanges reads a feed in one round trip, straight from the driver:
// database/sql and a trip for each statement would take as long as PostgreSQL
// itself.
func (s *Store) postgresChanges(ctx context.Context, owner record.Owner, span record.Span) (record.Snapshot, error) {
	var snapshot record.Snapshot
	err := s.reading(ctx, func(ctx context.Context) error {
		return s.onPostgres(ctx, func(conn *pgx.Conn) (err error) {
			snapshot, err = readPostgresFeed(ctx, conn, owner, span)
			return err
		})
	})
	if err != nil || span.Epoch == nil || *span.Epoch == snapshot.Epoch {
		return snapshot, err
	}
	snapshot = record.Snapshot{}
	err = s.snapshot(ctx, func(ctx context.Context, tx *ent.Tx) (err error) {
		snapshot, err = s.readFeed(ctx, tx, owner, span)
		return err
	})
	return snapshot, err
}

// onPostgres runs f on a connection, which is used again only if f leaves no
// transaction open, or it can be ended.
func (s *Store) onPostgres(ctx context.Context, f func(*pgx.Conn) error) error {
	conn, err := s.readPool.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // it was closed already if it is of no more use
	var failed error
	err = conn.Raw(func(driverConn any) error {
		c, ok := driverConn.(*stdlib.Conn)
		if !ok {
			return fmt.Errorf("records: unknown connection %T", driverConn)
		}
		failed = f(c.Conn())
		if postgres.EndTransaction(c.Conn()) != nil {
			return driver.ErrBadConn
		}
		return nil
	})
	if failed == nil && !errors.Is(err, driver.ErrBadConn) {
		failed = err
	}
	return failed
}

func readPostgresFeed(ctx context.Context, conn *pgx.Conn, owner record.Owner, span record.Span) (record.Snapshot, error) {
	if span.FromStart {
		span.SkipTombstones = math.MaxInt64 // the snapshot's head would do the same
	}
	var (
		snapshot record.Snapshot
		b        pgx.Batch
	)
	b.Queue("begin isolation level repeatable read read only")
	b.Queue(postgres.NeverScan)
	b.Queue(postgresAccountNow, owner[:]).QueryRow(func(row pgx.Row) error {
		return scanAccountNow(&snapshot.Account, row)
	})
	b.Queue(postgresFeed, owner[:], int64(span.After), int64(span.SkipTombstones), span.Limit+1, span.MaxBytes).
		Query(func(rows pgx.Rows) (err error) {
			snapshot.Records, snapshot.More, err = takePage(rows, span, snapshot.Head)
			return err
		})
	b.Queue("commit")
	err := conn.SendBatch(ctx, &b).Close()
	return snapshot, err
}
