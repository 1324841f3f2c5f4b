package postgres

import (
	"context"
	"math"

	"github.com/jackc/pgx/v5"

	"syncline/record"
	"syncline/storage/commit"
	"syncline/storage/failure"
	"syncline/storage/row"
)

const account = row.AccountColumns + "$1"

// feed selects a span's records in order of revision, and the next one if there is any.
const feed = "SELECT " + row.RecordColumns + feedSpan + " AND revision <= " + lastWithinBytes + " ORDER BY revision LIMIT $4"

// feedSpan are the records of $1 after revision $2 that are not erased, without
// tombstones up to $3.
const feedSpan = ` FROM syncline_records WHERE owner = $1 AND revision > $2
AND revision > coalesce((SELECT erased FROM syncline_accounts WHERE owner = $1), 0) AND (NOT deleted OR revision > $3)`

// lastWithinBytes is a revision that a page of $4 records and $5 bytes does not
// reach beyond, or a few records later: PostgreSQL sends all that a statement
// selects, so it must know where to stop. Whoever has fewer bytes in all needs no
// bound. Otherwise a record is left out if those up to the one but last before
// it exceed the bytes; lengths are read without the data where that is large,
// for then PostgreSQL keeps it apart.
const lastWithinBytes = `CASE WHEN (SELECT stored_bytes FROM syncline_accounts WHERE owner = $1) <= $5
THEN 9223372036854775807 ELSE (SELECT max(revision) FROM (
SELECT revision, coalesce(sum(length(data)) OVER (ORDER BY revision ROWS BETWEEN UNBOUNDED PRECEDING AND 2 PRECEDING), 0) AS before` + feedSpan + `
ORDER BY revision LIMIT $4) AS sizes WHERE before <= $5) END`

// Read implements storage.Reader, in one round trip.
func (s *Store) Read(ctx context.Context, keys []commit.Key, found func(commit.Key, any)) error {
	return failure.Of(s.use(ctx, func(conn *pgx.Conn) error {
		var b pgx.Batch
		b.Queue("begin isolation level repeatable read read only")
		b.Queue(NeverScan)
		queueReads(&b, keys, found)
		b.Queue("commit")
		return conn.SendBatch(ctx, &b).Close()
	}))
}

// Account implements storage.Reader.
func (s *Store) Account(ctx context.Context, owner record.Owner) (a record.Account, err error) {
	err = s.use(ctx, func(conn *pgx.Conn) error { return row.ScanAccount(&a, conn.QueryRow(ctx, account, owner[:])) })
	return a, err
}

// Changes implements storage.Reader, in one round trip.
func (s *Store) Changes(ctx context.Context, owner record.Owner, span record.Span) (snapshot record.Snapshot, err error) {
	if span.FromStart {
		span.SkipTombstones = math.MaxInt64 // the snapshot's head would do the same
	}
	err = s.use(ctx, func(conn *pgx.Conn) error {
		var b pgx.Batch
		b.Queue("begin isolation level repeatable read read only")
		b.Queue(NeverScan)
		b.Queue(account, owner[:]).QueryRow(func(found pgx.Row) error { return row.ScanAccount(&snapshot.Account, found) })
		b.Queue(feed, owner[:], int64(span.After), int64(span.SkipTombstones), span.Limit+1, span.MaxBytes).
			Query(func(rows pgx.Rows) (err error) {
				snapshot.Records, snapshot.More, err = row.TakePage(rows, span, snapshot.Head)
				return err
			})
		b.Queue("commit")
		return conn.SendBatch(ctx, &b).Close()
	})
	return snapshot, err
}
