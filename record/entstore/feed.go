package entstore

import (
	"context"
	"database/sql"
	"time"

	"syncline/ent"
	"syncline/record"
)

// Changes implements record.Store.
func (s *Store) Changes(ctx context.Context, owner record.Owner, span record.Span) (record.Snapshot, error) {
	var snapshot record.Snapshot
	err := s.snapshot(ctx, func(ctx context.Context, tx *ent.Tx) (err error) {
		snapshot, err = s.readFeed(ctx, tx, owner, span)
		return err
	})
	return snapshot, err
}

func (s *Store) readFeed(ctx context.Context, tx *ent.Tx, owner record.Owner, span record.Span) (snapshot record.Snapshot, err error) {
	if snapshot.Account, err = readAccount(ctx, tx, owner); err != nil {
		return snapshot, err
	}
	if span.Epoch != nil && *span.Epoch != snapshot.Epoch {
		snapshot.RestoredHead, err = restoredHead(ctx, tx, owner, *span.Epoch)
		return snapshot, err
	}
	if span.FromStart {
		span.SkipTombstones = snapshot.Head
	}
	query, args := feedQuery(s.dialect, owner, span)
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return snapshot, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells what went wrong
	snapshot.Records, snapshot.More, err = takePage(rows, span)
	return snapshot, err
}

// takePage reads rows one by one and stops at the span's bounds, so that a page
// never holds more in memory than it may show.
func takePage(rows *sql.Rows, span record.Span) (page []record.Record, more bool, err error) {
	size := 0
	for rows.Next() {
		if len(page) == span.Limit {
			return page, true, nil
		}
		r, err := scanRecord(rows)
		if err != nil {
			return nil, false, err
		}
		size += len(r.Data)
		if size > span.MaxBytes && len(page) > 0 {
			return page, true, nil
		}
		page = append(page, r)
	}
	return page, false, rows.Err()
}

// scanRecord reads the columns of recordColumns.
func scanRecord(rows *sql.Rows) (r record.Record, err error) {
	err = scan(rows, &r, &r.Data)
	if !r.Deleted && r.Data == nil {
		r.Data = []byte{} // empty data is not missing
	}
	return r, err
}

// scanStored reads the columns of recordColumns with a length for the data.
func scanStored(rows *sql.Rows) (s record.Stored, err error) {
	err = scan(rows, &s.Record, &s.DataBytes)
	return s, err
}

func scan(rows *sql.Rows, r *record.Record, last any) error {
	var updatedAt int64
	err := rows.Scan(&r.ID, &r.Revision, &r.Deleted, &r.SchemaVersion, &r.ClientID, &updatedAt, last)
	r.UpdatedAt = time.UnixMicro(updatedAt).UTC()
	return err
}
