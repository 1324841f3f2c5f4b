package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"

	"syncline/storage/commit"
	"syncline/storage/row"
)

// table is how the rows of one commit.Table are read and written.
type table struct {
	name   string // in errors
	read   string // selects row.Columns; empty: nothing is read
	keys   int    // how many of owner and id are arguments of read
	insert string // of what row.Changed says
	remove string
}

var tables = [...]*table{
	row.Epochs:    &epochs,
	row.Accounts:  &accounts,
	row.Records:   &records,
	row.Data:      &data,
	row.Mutations: &mutations,
	row.Fences:    &fences,
	row.Clock:     {name: "clock"}, // SQLite has none of its own
	row.Holds:     &holds,
	row.Nonces:    &nonces,

	row.Erasures:      &erasures,
	row.AllFences:     &allFences,
	row.AllHolders:    &allHolders,
	row.RestoredHeads: &restoredHeads,
}

// find has found called for those of some keys whose row exists.
func (t *table) find(conn driver.ConnPrepareContext, of commit.Table, keys []commit.Key, found func(commit.Key, any)) error {
	stmt, err := prepare(conn, t.read)
	if err != nil {
		return err
	}
	defer stmt.Close() //nolint:errcheck // tells again what running it told
	places, value := row.Columns(of)
	for _, key := range keys {
		var all any
		err := stmt.query(places, of == row.Holds, func() {
			v := value(key.ID)
			if of == row.Holds {
				v = row.JoinHolds(all, v)
			}
			all = v
		}, []any{key.Owner[:], key.ID}[:t.keys]...)
		if err != nil {
			return err
		}
		if all != nil {
			found(key, all)
		}
	}
	return nil
}

// each runs a statement once for each row of arguments.
func each(conn driver.ConnPrepareContext, statement string, rows [][]any) error {
	if len(rows) == 0 {
		return nil
	}
	stmt, err := prepare(conn, statement)
	if err != nil {
		return err
	}
	for _, args := range rows {
		if err := stmt.exec(args...); err != nil {
			stmt.Close() //nolint:errcheck // tells again what running it told
			return err
		}
	}
	return stmt.Close()
}

// statement is a prepared statement.
type statement struct {
	driver.Stmt
	args [13]driver.NamedValue
	row  [14]driver.Value
}

func prepare(conn driver.ConnPrepareContext, text string) (*statement, error) {
	stmt, err := conn.PrepareContext(context.Background(), text)
	if err != nil {
		return nil, err
	}
	return &statement{Stmt: stmt}, nil
}

func (s *statement) bind(args []any) []driver.NamedValue {
	for i, arg := range args {
		s.args[i] = driver.NamedValue{Ordinal: i + 1, Value: arg}
	}
	return s.args[:len(args)]
}

func (s *statement) exec(args ...any) error {
	_, err := s.Stmt.(driver.StmtExecContext).ExecContext(context.Background(), s.bind(args))
	return err
}

// query scans the first row, if there is one, or each of all rows.
func (s *statement) query(places []any, all bool, scanned func(), args ...any) error {
	rows, err := s.Stmt.(driver.StmtQueryContext).QueryContext(context.Background(), s.bind(args))
	if err != nil {
		return err
	}
	found := s.row[:len(places)]
	for {
		switch err := rows.Next(found); {
		case err == nil:
			scan(found, places)
			scanned()
		case errors.Is(err, io.EOF):
			return rows.Close()
		default:
			return errors.Join(err, rows.Close())
		}
		if !all {
			return rows.Close()
		}
	}
}

// scan reads columns of STRICT tables, which hold nothing else.
func scan(columns []driver.Value, places []any) {
	for i, column := range columns {
		switch place := places[i].(type) {
		case *int64:
			*place, _ = column.(int64)
		case *bool:
			n, _ := column.(int64)
			*place = n != 0
		case *string:
			*place, _ = column.(string)
		case *[]byte:
			*place, _ = column.([]byte)
		}
	}
}
