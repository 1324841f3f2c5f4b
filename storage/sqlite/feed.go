package sqlite

import (
	"context"
	"database/sql"

	"syncline/record"
	"syncline/storage/commit"
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

// keysBetween is how many rows are read between two looks at whether anybody
// still waits for them.
const keysBetween = 1000

// Read implements storage.Reader.
func (s *Store) Read(ctx context.Context, keys []commit.Key, found func(commit.Key, any)) error {
	return s.transact(ctx, func(t *transaction) error {
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

// Account implements storage.Reader.
func (s *Store) Account(ctx context.Context, owner record.Owner) (a record.Account, err error) {
	err = row.ScanAccount(&a, s.pool.QueryRowContext(ctx, account, owner[:]))
	return a, err
}

// Changes implements storage.Reader.
func (s *Store) Changes(ctx context.Context, owner record.Owner, span record.Span) (snapshot record.Snapshot, err error) {
	tx, err := s.pool.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return snapshot, err
	}
	defer tx.Rollback() //nolint:errcheck // there is nothing to lose
	if err := row.ScanAccount(&snapshot.Account, tx.QueryRowContext(ctx, account, owner[:])); err != nil {
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
