package storage

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"syncline/ent/epoch"
)

// ErrNotEmpty says that something is kept already where a move is to go.
var ErrNotEmpty = errors.New("there is data in it already")

// Moved is told of a table that was copied: how many rows it has, on both sides.
type Moved func(table string, rows int64)

// progressEvery is after how many rows of a table a move tells how far it is.
const progressEvery = 100_000

// Move copies all that is kept into another database, of whatever kind, in one
// transaction: epochs, revisions, cursors, mutation ids and fence tokens stay what
// they are, so that no client notices. Both are brought up to date first. Nobody
// may write to from meanwhile: who tries to on PostgreSQL waits. Where anything is kept
// in to, the error is ErrNotEmpty.
func Move(ctx context.Context, from, to *DB, progress, done Moved) error {
	for _, db := range []*DB{from, to} {
		if err := db.Migrate(ctx); err != nil {
			return err
		}
	}
	read, err := from.write.BeginTx(ctx, &sql.TxOptions{})
	if err != nil {
		return fmt.Errorf("read %s: %w", from.place, err)
	}
	defer read.Rollback() //nolint:errcheck // it changes nothing
	if err := from.mayIdle(ctx, read); err != nil {
		return err
	}
	if err := from.kind.keepOut(ctx, read); err != nil {
		return fmt.Errorf("keep writers out of %s: %w", from.place, err)
	}
	conn, err := to.write.Conn(ctx)
	if err != nil {
		return fmt.Errorf("write to %s: %w", to.place, err)
	}
	defer conn.Close() //nolint:errcheck // the transaction on it has ended
	write, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("write to %s: %w", to.place, err)
	}
	defer write.Rollback() //nolint:errcheck // after a commit it fails
	if err := to.mayIdle(ctx, write); err != nil {
		return err
	}
	tables, err := sameTables(ctx, from, to, read, write)
	if err != nil {
		return err
	}
	for _, table := range tables {
		n, err := countRows(ctx, write, table)
		if err != nil {
			return fmt.Errorf("look for data in %s: %w", to.place, err)
		}
		if n > 1 || n == 1 && table != epoch.Table {
			return fmt.Errorf("%s: %w", to.place, ErrNotEmpty)
		}
	}
	if _, err := write.ExecContext(ctx, "DELETE FROM "+epoch.Table); err != nil { //nolint:gosec // a constant; the one epoch that a new database begins
		return err
	}
	for _, table := range tables {
		rows, err := copyTable(ctx, read, conn, write, to, table, progress)
		if err != nil {
			return fmt.Errorf("copy %s: %w", table, err)
		}
		for _, side := range []*sql.Tx{read, write} {
			n, err := countRows(ctx, side, table)
			if err != nil {
				return fmt.Errorf("check the copy: %w", err)
			}
			if n != rows {
				return fmt.Errorf("copy %s: %d rows were copied of %d", table, rows, n)
			}
		}
		done(table, rows)
	}
	if to.dir != "" { // nonces that the other coordination knew did not come along
		if err := RemoveMark(NoncesMark(to.dir)); err != nil {
			return fmt.Errorf("remove the mark of nonces from %s: %w", to.place, err)
		}
	}
	return write.Commit()
}

// mayIdle lets a transaction wait for the other side of a move for as long as that takes.
func (db *DB) mayIdle(ctx context.Context, tx *sql.Tx) error {
	if err := db.kind.mayIdle(ctx, tx); err != nil {
		return fmt.Errorf("let the transaction on %s wait: %w", db.place, err)
	}
	return nil
}

// sameTables lists the tables that both have, and fails if these or their columns
// are not the same.
func sameTables(ctx context.Context, from, to *DB, read, write *sql.Tx) ([]string, error) {
	ours, err := tableNames(ctx, from, read)
	if err != nil {
		return nil, err
	}
	theirs, err := tableNames(ctx, to, write)
	if err != nil {
		return nil, err
	}
	if !slices.Equal(ours, theirs) {
		return nil, fmt.Errorf("the tables differ: %s has %s, %s has %s", from.place, ours, to.place, theirs)
	}
	return ours, nil
}

func tableNames(ctx context.Context, db *DB, tx *sql.Tx) (names []string, err error) {
	rows, err := tx.QueryContext(ctx, db.kind.tableNames())
	if err != nil {
		return nil, fmt.Errorf("list the tables of %s: %w", db.place, err)
	}
	defer rows.Close() //nolint:errcheck // Err tells
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		if strings.HasPrefix(name, "syncline_") && !strings.HasPrefix(name, migrationsTable) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, rows.Err()
}

func countRows(ctx context.Context, tx *sql.Tx, table string) (n int64, err error) {
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM "+table).Scan(&n); err != nil {
		return 0, fmt.Errorf("count the rows of %s: %w", table, err)
	}
	return n, nil
}

// columnTypes are the columns of a table in the order of their names, and what the
// database calls their types.
func columnTypes(ctx context.Context, tx *sql.Tx, table string) (names []string, types map[string]string, err error) {
	rows, err := tx.QueryContext(ctx, "SELECT * FROM "+table+" LIMIT 0") //nolint:gosec // a name that the database tells
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close() //nolint:errcheck // it has none
	columns, err := rows.ColumnTypes()
	if err != nil {
		return nil, nil, err
	}
	types = map[string]string{}
	for _, c := range columns {
		names = append(names, c.Name())
		types[c.Name()] = c.DatabaseTypeName()
	}
	slices.Sort(names)
	return names, types, rows.Err()
}

func copyTable(ctx context.Context, read *sql.Tx, conn *sql.Conn, write *sql.Tx, to *DB, table string, progress Moved) (n int64, err error) {
	columns, _, err := columnTypes(ctx, read, table)
	if err != nil {
		return 0, err
	}
	theirs, types, err := columnTypes(ctx, write, table)
	if err != nil {
		return 0, err
	}
	if !slices.Equal(columns, theirs) {
		return 0, fmt.Errorf("the columns differ: %s, and %s", columns, theirs)
	}
	rows, err := read.QueryContext(ctx, "SELECT "+strings.Join(columns, ", ")+" FROM "+table) //nolint:gosec // names that the database tells
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(cmp.Or(err, rows.Err()), rows.Close()) }()
	next := func() ([]any, error) {
		if !rows.Next() {
			return nil, rows.Err()
		}
		values, places := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			places[i] = &values[i]
		}
		if err := rows.Scan(places...); err != nil {
			return nil, err
		}
		for i, column := range columns {
			if number, ok := values[i].(int64); ok && types[column] == "BOOL" { // SQLite has none
				values[i] = number != 0
			}
		}
		if n++; n%progressEvery == 0 {
			progress(table, n)
		}
		return values, nil
	}
	err = to.kind.insertAll(ctx, conn, write, table, columns, next)
	return n, err
}
