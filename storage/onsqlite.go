package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pressly/goose/v3"

	"syncline/ent"
	"syncline/ent/epoch"
	"syncline/ent/migrations"
	"syncline/storage/commit"
	"syncline/storage/sqlite"
)

// onSQLite is the kind of a database on SQLite.
type onSQLite struct {
	dir         string
	write, read *sql.DB
}

func (s onSQLite) engine() *commit.Engine { return commit.New(sqlite.New(s.write), 1, 0) }

func (s onSQLite) rows() Reader { return sqlite.New(s.read) }

func (onSQLite) clock(context.Context) (time.Time, error) { return time.Now(), nil }

func (s onSQLite) size(_ context.Context, into *Size) error {
	file := filepath.Join(s.dir, sqliteFile)
	info, err := os.Stat(file)
	if err != nil {
		return fmt.Errorf("failed to look at the database's file: %w", err)
	}
	into.Bytes = info.Size()
	if info, err := os.Stat(file + "-wal"); err == nil { // it may be gone for a moment
		into.Log = info.Size()
	}
	return nil
}

func (s onSQLite) pools() map[string]func() sql.DBStats {
	return map[string]func() sql.DBStats{"read": s.read.Stats, "write": s.write.Stats}
}

func (onSQLite) migrations() (goose.Dialect, fs.FS, []goose.ProviderOption, error) {
	return goose.DialectSQLite3, migrations.SQLite(), nil, nil
}

func (onSQLite) hasTables() string {
	return "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = '" + epoch.Table + "'"
}

func (onSQLite) tableNames() string { return "SELECT name FROM sqlite_master WHERE type = 'table'" }

// lockOutWriters has nothing to do: the transaction does so from its start.
func (onSQLite) lockOutWriters(context.Context, *ent.Tx) error { return nil }

func (onSQLite) mayIdle(context.Context, *sql.Tx) error { return nil }

func (onSQLite) keepOut(context.Context, *sql.Tx) error { return nil }

func (onSQLite) insertAll(ctx context.Context, _ *sql.Conn, tx *sql.Tx, table string, columns []string, next func() ([]any, error)) (err error) {
	insert, err := tx.PrepareContext(ctx, fmt.Sprintf("INSERT INTO %s (%s) VALUES (?%s)", table, strings.Join(columns, ", "), strings.Repeat(", ?", len(columns)-1)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, insert.Close()) }()
	for {
		values, err := next()
		if err != nil || values == nil {
			return err
		}
		if _, err := insert.ExecContext(ctx, values...); err != nil {
			return err
		}
	}
}

func (onSQLite) close() {}
