// Package datasynctest makes databases as Breez data-sync leaves them.
package datasynctest

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver of PostgreSQL
	_ "modernc.org/sqlite"             // the driver of SQLite
)

// Database is one of data-sync's.
type Database struct {
	*sql.DB
	// Source names it for syncline import breez.
	Source string
}

// Record is a row of the table of records.
type Record struct {
	User, ID      string
	Data          []byte
	Revision      int64
	SchemaVersion string
}

// SQLite makes a database in a file, as it is after so many changes of its tables, 1 or 2.
func SQLite(t testing.TB, path string, version int) Database {
	return create(t, "sqlite", "file:"+path, path, version, "BLOB", "INTEGER", "INTEGER NOT NULL DEFAULT 0", "version uint64, dirty bool")
}

// Postgres makes the tables in a database, as they are after so many changes, 1 or 2.
func Postgres(t testing.TB, url string, version int) Database {
	return create(t, "pgx", url, url, version, "bytea", "BIGINT", "BOOLEAN NOT NULL DEFAULT FALSE", "version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL")
}

func create(t testing.TB, driver, address, source string, version int, bytes, seconds, flag, migrations string) Database {
	t.Helper()
	db, err := sql.Open(driver, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	d := Database{db, source}
	d.Must(t, "CREATE TABLE records (user_id TEXT NOT NULL, id TEXT NOT NULL, data "+bytes+" NOT NULL, revision INTEGER NOT NULL, schema_version TEXT NOT NULL, PRIMARY KEY (user_id, id))")
	d.Must(t, "CREATE TABLE user_revisions (user_id TEXT NOT NULL, revision INTEGER NOT NULL, PRIMARY KEY (user_id, revision))")
	if version > 1 {
		d.Must(t, "CREATE TABLE locks (user_id TEXT NOT NULL, lock_name TEXT NOT NULL, instance_id TEXT NOT NULL, expires_at "+seconds+" NOT NULL, exclusive "+flag+", PRIMARY KEY (user_id, lock_name, instance_id))")
	}
	d.Must(t, "CREATE TABLE schema_migrations ("+migrations+")")
	d.Must(t, "INSERT INTO schema_migrations (version, dirty) VALUES ($1, $2)", version, false)
	return d
}

// Must runs a statement.
func (d Database) Must(t testing.TB, statement string, args ...any) {
	t.Helper()
	if _, err := d.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// Add adds rows to the table of records, many at a time.
func (d Database) Add(t testing.TB, rows ...Record) {
	t.Helper()
	const most = 1000
	for len(rows) > 0 {
		some := rows[:min(most, len(rows))]
		rows = rows[len(some):]
		var values []string
		var args []any
		for _, r := range some {
			n := len(args)
			values = append(values, fmt.Sprintf("($%d, $%d, $%d, $%d, $%d)", n+1, n+2, n+3, n+4, n+5))
			args = append(args, r.User, r.ID, append([]byte{}, r.Data...), r.Revision, r.SchemaVersion)
		}
		d.Must(t, "INSERT INTO records (user_id, id, data, revision, schema_version) VALUES "+strings.Join(values, ", "), args...)
	}
}

// Head adds a row to the table of revisions.
func (d Database) Head(t testing.TB, user string, revision int64) {
	t.Helper()
	d.Must(t, "INSERT INTO user_revisions (user_id, revision) VALUES ($1, $2)", user, revision)
}
