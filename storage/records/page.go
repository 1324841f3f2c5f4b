package records

import (
	"fmt"
	"time"

	"syncline/record"
)

// rows are those of recordColumns, as either database's driver has them.
type rows interface {
	Next() bool
	Scan(into ...any) error
	Err() error
}

// takePage reads rows one by one and stops at the span's bounds, so that a page
// never holds more in memory than it may show. Up to head, no more revisions are
// left than there are numbers.
func takePage(rows rows, span record.Span, head record.Revision) (page []record.Record, more bool, err error) {
	page = make([]record.Record, 0, min(span.Limit, int(max(0, head-span.After))))
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

// scanner takes rows one after the other into the same place, and copies what
// is kept.
type scanner struct {
	into []any

	id, schemaVersion, clientID textColumn
	deleted                     bool
	revision, updatedAt         int64
	data                        lentColumn

	room []byte // for data that is kept
}

// textColumn is one that is often the same as in the row before.
type textColumn string

// ScanBytes implements pgx's pgtype.BytesScanner.
func (t *textColumn) ScanBytes(b []byte) error {
	if string(*t) != string(b) {
		*t = textColumn(b)
	}
	return nil
}

// Scan implements sql.Scanner, for SQLite's TEXT.
func (t *textColumn) Scan(v any) error {
	s, ok := v.(string)
	if !ok {
		return fmt.Errorf("records: %T is no text", v)
	}
	*t = textColumn(s)
	return nil
}

// lentColumn is one whose bytes are the driver's own, until the next row.
type lentColumn []byte

// ScanBytes implements pgx's pgtype.BytesScanner.
func (l *lentColumn) ScanBytes(b []byte) error {
	*l = b
	return nil
}

// Scan implements sql.Scanner, for SQLite's BLOB.
func (l *lentColumn) Scan(v any) error {
	b, ok := v.([]byte)
	if !ok && v != nil {
		return fmt.Errorf("records: %T is no bytes", v)
	}
	*l = b
	return nil
}

// chunk is how much room for data is made at a time: less is left over at the
// end than a thousand slices take by themselves.
const chunk = 32 << 10

func (s *scanner) columns() []any {
	if s.into == nil {
		s.into = []any{&s.id, &s.revision, &s.deleted, &s.schemaVersion, &s.clientID, &s.updatedAt, &s.data}
	}
	return s.into
}

func (s *scanner) record() record.Record {
	r := record.Record{
		ID:            string(s.id),
		Revision:      record.Revision(s.revision),
		SchemaVersion: string(s.schemaVersion),
		Deleted:       s.deleted,
		ClientID:      string(s.clientID),
		UpdatedAt:     time.UnixMicro(s.updatedAt).UTC(),
	}
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
