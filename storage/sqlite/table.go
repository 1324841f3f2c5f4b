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
	name    string // in errors
	read    string // selects at most one row, unless join is set; empty: nothing is read
	columns int
	keys    int                                         // how many of owner and id are arguments of read
	scan    func(id string, columns []driver.Value) any // a row's value
	join    func(some, more any) any                    // the value of several rows
	write   func(*transaction, []commit.Change) error
	remove  string // deletes the rows of an owner and an id
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

// each runs a statement once for each change.
func (t *transaction) each(statement string, changes []commit.Change, args func(*commit.Change) []any) error {
	stmt, err := t.prepare(statement)
	if err != nil {
		return err
	}
	for i := range changes {
		if err := stmt.exec(args(&changes[i])...); err != nil {
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

func (t *transaction) prepare(text string) (*statement, error) { return prepare(t.conn, text) }

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

// query shows the first row, if there is one, or all rows.
func (s *statement) query(columns int, all bool, use func([]driver.Value), args ...any) error {
	rows, err := s.Stmt.(driver.StmtQueryContext).QueryContext(context.Background(), s.bind(args))
	if err != nil {
		return err
	}
	found := s.row[:columns]
	for {
		switch err := rows.Next(found); {
		case err == nil:
			use(found)
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

// integer, text and blob read columns of STRICT tables, which hold nothing else.
func integer(v driver.Value) int64 { n, _ := v.(int64); return n }
func text(v driver.Value) string   { s, _ := v.(string); return s }
func blob(v driver.Value) []byte   { b, _ := v.([]byte); return b }
