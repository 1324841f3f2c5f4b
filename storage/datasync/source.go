// Package datasync imports what Breez data-sync kept: its owners with their records
// and revisions, so that its clients go on where they were.
package datasync

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"syncline/record"
	"syncline/storage"
	"syncline/storage/owners"
)

// Source is a database of data-sync, as it is at one moment. Nothing is written to it.
type Source struct {
	*storage.Snapshot
	locks bool // it has the table; the first version has none
}

// Open opens the database of data-sync that an SQLite file or the URL of a PostgreSQL
// database names. Errors are one line for the operator, and carry no password.
func Open(ctx context.Context, source string) (*Source, error) {
	open := storage.SnapshotSQLite
	if strings.Contains(source, "://") {
		open = storage.SnapshotPostgres
	}
	snapshot, err := open(ctx, source)
	if err != nil {
		return nil, err
	}
	s := &Source{Snapshot: snapshot}
	if err := s.check(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", s.Place(), err), s.Close())
	}
	return s, nil
}

// check refuses what is not a whole database of data-sync.
func (s *Source) check(ctx context.Context) error {
	version, err := s.version(ctx)
	if err != nil {
		return err
	}
	columns := []string{"user_id, id, data, revision, schema_version FROM records", "user_id, revision FROM user_revisions"}
	if s.locks = version > 1; s.locks {
		columns = append(columns, "user_id, lock_name, instance_id, expires_at, exclusive FROM locks")
	}
	for _, c := range columns {
		if _, err := s.ExecContext(ctx, "SELECT "+c+" LIMIT 0"); err != nil {
			return fmt.Errorf("it is of version %d, of which this version of syncline does not know: %w", version, err)
		}
	}
	return nil
}

// version is how often data-sync changed its tables.
func (s *Source) version(ctx context.Context) (version int64, err error) {
	rows, err := s.QueryContext(ctx, "SELECT version, dirty FROM schema_migrations")
	if err != nil {
		return 0, fmt.Errorf("this is not a database of data-sync: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err tells
	for rows.Next() {
		var (
			one   int64
			dirty sql.NullBool
		)
		if err := rows.Scan(&one, &dirty); err != nil {
			return 0, fmt.Errorf("read the version: %w", err)
		}
		if dirty.Bool {
			return 0, fmt.Errorf("a change of its tables to version %d was interrupted (dirty): have data-sync finish it first", one)
		}
		version = max(version, one)
	}
	if err := rows.Err(); err != nil {
		return 0, fmt.Errorf("read the version: %w", err)
	}
	if version < 1 {
		return 0, errors.New("this is not a database of data-sync: it has no version")
	}
	return version, nil
}

// lockedUntil is when the last lock expires; zero if there is none.
func (s *Source) lockedUntil(ctx context.Context) (time.Time, error) {
	var seconds sql.NullInt64
	if s.locks {
		if err := s.QueryRowContext(ctx, "SELECT max(expires_at) FROM locks").Scan(&seconds); err != nil {
			return time.Time{}, fmt.Errorf("read the locks: %w", err)
		}
	}
	if !seconds.Valid {
		return time.Time{}, nil
	}
	return time.Unix(seconds.Int64, 0), nil
}

// users calls each for all who have anything, in the order of the database.
func (s *Source) users(ctx context.Context, each func(user string) error) error {
	const first = "SELECT min(u) FROM (SELECT min(user_id) AS u FROM records UNION ALL SELECT min(user_id) FROM user_revisions) AS firsts"
	const next = "SELECT min(u) FROM (SELECT min(user_id) AS u FROM records WHERE user_id > $1 UNION ALL SELECT min(user_id) FROM user_revisions WHERE user_id > $1) AS nexts"
	var user sql.NullString
	last, told := "", false
	err := s.QueryRowContext(ctx, first).Scan(&user)
	for ; err == nil && user.Valid; err = s.QueryRowContext(ctx, next, user.String).Scan(&user) {
		if user.String == last && told { // a blob, which comes after every text
			return fmt.Errorf("list the users: %q is not a text", last)
		}
		last, told = user.String, true
		if err := each(last); err != nil {
			return err
		}
	}
	if err != nil {
		return fmt.Errorf("list the users: %w", err)
	}
	return nil
}

// head is a user's greatest revision.
func (s *Source) head(ctx context.Context, user string) (head int64, err error) {
	const query = "SELECT max(r) FROM (SELECT max(revision) AS r FROM records WHERE user_id = $1 UNION ALL SELECT max(revision) FROM user_revisions WHERE user_id = $1) AS revisions"
	if err := s.QueryRowContext(ctx, query, user).Scan(&head); err != nil {
		return 0, fmt.Errorf("read the newest revision: %w", err)
	}
	return head, nil
}

// row is a record of data-sync.
type row struct {
	id            string
	revision      int64
	schemaVersion string
	data          []byte
	another       bool // another record has the revision
}

// rows calls each for all of a user's records in order of revision. Those whose revision
// is another's, or none, come last: before each write had a revision of its own, data-sync
// gave some twice.
func (s *Source) rows(ctx context.Context, user string, each func(row) error) error {
	const query = "SELECT id, revision, schema_version, data, again FROM " +
		"(SELECT id, revision, schema_version, data, row_number() OVER (PARTITION BY revision ORDER BY id) > 1 AS again FROM records WHERE user_id = $1) AS numbered " +
		"ORDER BY CASE WHEN again OR revision < 1 THEN 1 ELSE 0 END, revision, id"
	rows, err := s.QueryContext(ctx, query, user)
	if err != nil {
		return fmt.Errorf("read the records: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err tells
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.id, &r.revision, &r.schemaVersion, &r.data, &r.another); err != nil {
			return fmt.Errorf("read the records: %w", err)
		}
		if err := each(r); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read the records: %w", err)
	}
	return nil
}

// records calls each for all of a user's records that can be kept, in order of revision,
// and answers the head. What cannot be kept as it is, or at all, is told to note.
func (s *Source) records(ctx context.Context, user string, note func(Note), each func(record.Record) error) (record.Revision, error) {
	head, err := s.head(ctx, user)
	if err != nil {
		return 0, err
	}
	if head > int64(record.MaxRevision) {
		note(Note{User: user, Text: fmt.Sprintf("revision %d is above %d", head, int64(record.MaxRevision)), Lost: true})
		return 0, nil
	}
	head = max(head, 0)
	err = s.rows(ctx, user, func(r row) error {
		kept := record.Record{ID: r.id, SchemaVersion: r.schemaVersion, Data: r.data}
		if err := owners.Check(kept); err != nil {
			note(Note{User: user, ID: &r.id, Text: err.Error(), Lost: true})
			return nil //nolint:nilerr // it is told, and the others follow
		}
		if r.another || r.revision < 1 { // clients take it for a change, and have it as it was
			head++
			note(Note{User: user, ID: &r.id, Text: fmt.Sprintf("revision %d is none of its own: it got %d", r.revision, head)})
			r.revision = head
		}
		kept.Revision = record.Revision(r.revision)
		if err := record.Check(kept); err != nil {
			note(Note{User: user, ID: &r.id, Text: "over today's limits, and kept as it is: " + err.Error()})
		}
		return each(kept)
	})
	return record.Revision(head), err
}
