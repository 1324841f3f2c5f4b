package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"

	"syncline/internal/serverurl"
)

// Snapshot is another service's database as it is at one moment. Nothing is written
// to it. It is used by one goroutine, one query at a time.
type Snapshot struct {
	*sql.Tx
	place string
	db    *sql.DB
}

// Place names the database for people, without secrets.
func (s *Snapshot) Place() string { return s.place }

// Close lets go of the database.
func (s *Snapshot) Close() error {
	err := s.Rollback()
	if errors.Is(err, sql.ErrTxDone) { // its context ended
		err = nil
	}
	return errors.Join(err, s.db.Close())
}

// SnapshotSQLite reads an SQLite file, which must be there. While it is read, other
// processes wait with their writes.
func SnapshotSQLite(ctx context.Context, path string) (*Snapshot, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(path); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", path)
	}
	address := url.URL{Scheme: "file", Path: path, RawQuery: fmt.Sprintf("mode=ro&_query_only=1&_busy_timeout=%d&_dqs=0&_error_rc=1", busyTimeout)}
	db, err := sql.Open("sqlite", address.String())
	if err != nil {
		return nil, err
	}
	s, err := snapshot(ctx, db, path, nil, "SELECT count(*) FROM sqlite_master")
	if e, ok := errors.AsType[*sqlite.Error](err); ok && e.Code() == sqlitelib.SQLITE_READONLY_ROLLBACK {
		err = fmt.Errorf("its last transaction was interrupted, and %s-journal undoes it: open it once with what it belongs to, or with sqlite3: %w", path, err)
	}
	return s, err
}

// SnapshotPostgres reads a PostgreSQL database, which may be a standby. Errors carry
// no password.
func SnapshotPostgres(ctx context.Context, address string) (*Snapshot, error) {
	if err := serverurl.CheckPasswordBeforeFirstAt(address, "/"); err != nil {
		return nil, fmt.Errorf("the PostgreSQL address is not valid: %w", err)
	}
	config, err := pgx.ParseConfig(address)
	if err != nil {
		return nil, fmt.Errorf("the PostgreSQL address is not valid: %w", withoutAddress(err))
	}
	setDefaults(config)
	config.ValidateConnect = nil
	config.DefaultQueryExecMode = pgx.QueryExecModeExec // a pooler may be in between
	place := fmt.Sprintf("%s on %s:%d", config.Database, config.Host, config.Port)
	db := stdlib.OpenDB(*config)
	s, err := snapshot(ctx, db, place, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true},
		"SELECT set_config('idle_in_transaction_session_timeout', '0', true)") // it waits for the other side
	if err != nil {
		err = firstCause(err)
	}
	return s, err
}

// snapshot begins to read: first is a query that does.
func snapshot(ctx context.Context, db *sql.DB, place string, how *sql.TxOptions, first string) (*Snapshot, error) {
	tx, err := db.BeginTx(ctx, how)
	if err == nil {
		var nothing any
		if err = tx.QueryRowContext(ctx, first).Scan(&nothing); err == nil {
			return &Snapshot{tx, place, db}, nil
		}
		err = errors.Join(err, tx.Rollback())
	}
	return nil, fmt.Errorf("read %s: %w", place, errors.Join(err, db.Close()))
}
