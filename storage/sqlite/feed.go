package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"syncline/record"
	"syncline/storage/row"
)

const account = row.AccountColumns + "?"

// The feed does not mind the size of records: SQLite makes each row as it is asked for,
// and the reader just stops. Without tombstones is a statement of its own.
const (
	feed               = "SELECT " + row.RecordColumns + " FROM syncline_records WHERE owner = ? AND revision > ? ORDER BY revision LIMIT ?"
	feedSkipTombstones = "SELECT " + row.RecordColumns + ` FROM syncline_records WHERE owner = ? AND revision > ?
AND (NOT deleted OR revision > ?) ORDER BY revision LIMIT ?`
)

// Account reads an owner's account: zeros and the epoch if there is none. Errors are the
// driver's.
func (r *Reader) Account(ctx context.Context, owner record.Owner) (a record.Account, err error) {
	return a, scanAccount(&a, r.pool.QueryRowContext(ctx, account, owner[:]))
}

func scanAccount(a *record.Account, found *sql.Row) error {
	err := row.ScanAccount(a, found)
	if errors.Is(err, sql.ErrNoRows) {
		return row.ErrNoEpoch
	}
	return err
}

// Changes reads a span of an owner's feed and the account, at one instant. Whether the
// epoch is the reader's is left to the caller. Errors are the driver's.
func (r *Reader) Changes(ctx context.Context, owner record.Owner, span record.Span) (snapshot record.Snapshot, err error) {
	tx, err := r.pool.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return snapshot, err
	}
	defer tx.Rollback() //nolint:errcheck // there is nothing to lose
	if err := scanAccount(&snapshot.Account, tx.QueryRowContext(ctx, account, owner[:])); err != nil {
		return snapshot, err
	}
	span.After = max(span.After, snapshot.Erased)
	if span.FromStart {
		span.SkipTombstones = snapshot.Head
	}
	query, args := feed, []any{owner[:], int64(span.After), span.Limit + 1}
	if span.SkipTombstones > span.After {
		query, args = feedSkipTombstones, []any{owner[:], int64(span.After), int64(span.SkipTombstones), span.Limit + 1}
	}
	rows, err := tx.QueryContext(ctx, query, args...) //nolint:rowserrcheck // TakePage does
	if err != nil {
		return snapshot, err
	}
	defer rows.Close() //nolint:errcheck // TakePage tells what went wrong
	snapshot.Records, snapshot.More, err = row.TakePage(rows, span, snapshot.Head)
	return snapshot, err
}
