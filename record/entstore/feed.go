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
	page = make([]record.Record, 0, min(span.Limit, firstRows))
	var next scanner
	size := 0
	for rows.Next() {
		if len(page) == span.Limit {
			return page, true, nil
		}
		if err := rows.Scan(next.columns()...); err != nil {
			return nil, false, err
		}
		size += len(next.data)
		if size > span.MaxBytes && len(page) > 0 {
			return page, true, nil
		}
		page = append(page, next.record())
	}
	return page, false, rows.Err()
}

// firstRows is for how many records a page has room before it grows.
const firstRows = 128

// scanner takes rows of recordColumns, one after the other, into the same
// place: database/sql converts plain types without allocating, and hands out
// the data without a copy.
type scanner struct {
	row       record.Record
	revision  int64
	updatedAt int64
	data      sql.RawBytes // until the next row
	into      []any
	room      []byte // for data that is kept
}

// chunk is how much room for data is made at a time: less is left over at the
// end than a thousand slices take by themselves.
const chunk = 32 << 10

func (s *scanner) columns() []any {
	if s.into == nil {
		r := &s.row
		s.into = []any{&r.ID, &s.revision, &r.Deleted, &r.SchemaVersion, &r.ClientID, &s.updatedAt, &s.data}
	}
	return s.into
}

func (s *scanner) record() record.Record {
	r := s.row
	r.Revision = record.Revision(s.revision)
	r.UpdatedAt = time.UnixMicro(s.updatedAt).UTC()
	if !r.Deleted {
		r.Data = s.keep(s.data)
	}
	return r
}

// keep copies data. It is not nil, even if it is empty: that is not missing.
func (s *scanner) keep(data []byte) []byte {
	if s.room == nil || len(data) > cap(s.room)-len(s.room) {
		s.room = make([]byte, 0, max(chunk, len(data)))
	}
	from := len(s.room)
	s.room = append(s.room, data...)
	return s.room[from:len(s.room):len(s.room)]
}
