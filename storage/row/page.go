package row

import (
	"database/sql"
	"errors"
	"fmt"
	"time"

	"syncline/record"
)

// RecordColumns are those of a record, in the order in which TakePage reads them.
const RecordColumns = "id, revision, deleted, schema_version, client_id, updated_at, data"

// Rows are those of RecordColumns, as either database's driver has them.
type Rows interface {
	Next() bool
	Scan(into ...any) error
	Err() error
}

// TakePage reads rows one by one and stops at the span's bounds, so that a page
// never holds more in memory than it may show; more tells whether rows are left. Up to
// head, no more revisions are left than there are numbers.
func TakePage(rows Rows, span record.Span, head record.Revision) (page []record.Record, more bool, err error) {
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
		return fmt.Errorf("row: %T is no text", v)
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
		return fmt.Errorf("row: %T is no bytes", v)
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

// AccountColumns are what ScanAccount reads of an owner's account, with zeros if there is
// no row for it, and of the present epoch, which goes before. A condition on the account's
// owner follows.
const AccountColumns = `SELECT e.epoch, coalesce(head, 0), coalesce(floor, 0), coalesce(erased, 0), coalesce(record_count, 0), coalesce(stored_bytes, 0),
coalesce(created_at > 0 OR head > 0 OR fence_token > 0, false), coalesce(tombstones, 0), coalesce(mutation_bytes, 0),
coalesce(quota_records, 0), coalesce(quota_bytes, 0)
FROM (SELECT epoch FROM syncline_epochs ORDER BY number DESC LIMIT 1) AS e LEFT JOIN syncline_accounts ON owner = `

// ScanAccount reads a row of AccountColumns. The error is ErrNoEpoch if there is none.
func ScanAccount(a *record.Account, row interface{ Scan(into ...any) error }) error {
	var epoch []byte
	err := row.Scan(&epoch, &a.Head, &a.Floor, &a.Erased, &a.RecordCount, &a.StoredBytes,
		&a.Exists, &a.Tombstones, &a.MutationBytes, &a.Own.Records, &a.Own.Bytes)
	copy(a.Epoch[:], epoch)
	if errors.Is(err, sql.ErrNoRows) { // pgx's error is one, too
		return ErrNoEpoch
	}
	return err
}

// ErrNoEpoch says that a database was not migrated.
var ErrNoEpoch = errors.New("the database has no epoch")
