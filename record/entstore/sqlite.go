package entstore

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"time"

	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"

	"syncline/record"
)

// sqliteConn is what a connection to SQLite can do. The statements of a group
// run on it directly: database/sql would take longer over them than SQLite does.
type sqliteConn interface {
	driver.ConnBeginTx
	driver.ConnPrepareContext
}

// sqliteTransaction is a transaction of SQLite, which has the only write lock.
// Nothing interrupts it; its end is that of the process, or of the disk.
type sqliteTransaction struct {
	conn sqliteConn
	tx   driver.Tx
	open bool
}

func beginSQLite(ctx context.Context, conn sqliteConn) (*sqliteTransaction, error) {
	tx, err := conn.BeginTx(ctx, driver.TxOptions{})
	if err != nil {
		return nil, err
	}
	return &sqliteTransaction{conn: conn, tx: tx, open: true}, nil
}

func (t *sqliteTransaction) end() error {
	if !t.open {
		return nil
	}
	t.open = false
	err := t.tx.Rollback()
	if e, ok := errors.AsType[*sqlite.Error](err); ok && e.Code() == sqlitelib.SQLITE_ERROR {
		return nil // a full disk, for one, had it rolled back already
	}
	return err
}

func (t *sqliteTransaction) read(_ context.Context, w wants) (*state, error) {
	s := newState()
	return s, inTurn(
		func() error {
			return t.query(selectEpoch, 2, func(row []driver.Value) { s.setEpoch(integer(row[0]), blob(row[1])) })
		},
		func() error { return t.readAccounts(s, w.owners) },
		func() error {
			return t.readKeys(sqliteStored, 6, w.records, func(k key, row []driver.Value) { s.addRecord(k, toStored(k.id, row)) })
		},
		func() error {
			return t.readKeys(sqliteMutation, 2, w.mutations, func(k key, row []driver.Value) { s.addMutation(k, blob(row[0]), blob(row[1])) })
		},
		func() error {
			return t.readKeys(sqliteFence, 1, w.fences, func(k key, row []driver.Value) { s.addFence(k, integer(row[0])) })
		},
	)
}

// inTurn stops at the first error: that may have ended the transaction, and what
// runs after it would be on its own.
func inTurn(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (t *sqliteTransaction) readAccounts(s *state, owners []record.Owner) error {
	stmt, err := t.prepare(sqliteAccount)
	if err != nil {
		return err
	}
	defer stmt.Close() //nolint:errcheck // tells again what running it told
	for i := range owners {
		var a record.Account
		err := stmt.query(3, func(row []driver.Value) {
			a = record.Account{Head: record.Revision(integer(row[0])), RecordCount: integer(row[1]), StoredBytes: integer(row[2])}
		}, owners[i][:])
		if err != nil {
			return err
		}
		s.addAccount(owners[i], a)
	}
	return nil
}

// readKeys reads the rows that some keys name.
func (t *sqliteTransaction) readKeys(statement string, columns int, keys []key, use func(key, []driver.Value)) error {
	if len(keys) == 0 {
		return nil
	}
	stmt, err := t.prepare(statement)
	if err != nil {
		return err
	}
	defer stmt.Close() //nolint:errcheck // tells again what running it told
	for i := range keys {
		k := &keys[i]
		if err := stmt.query(columns, func(row []driver.Value) { use(*k, row) }, k.owner[:], k.id); err != nil {
			return err
		}
	}
	return nil
}

func (t *sqliteTransaction) readData(_ context.Context, lacking map[key][]*record.Record) error {
	keys := make([]key, 0, len(lacking))
	for k := range lacking {
		keys = append(keys, k)
	}
	return t.readKeys(sqliteData, 1, keys, func(k key, row []driver.Value) { fill(lacking[k], blob(row[0])) })
}

func (t *sqliteTransaction) keep(ctx context.Context, k keeps) error {
	err := inTurn(
		func() error { return t.keepRecords(k.records) },
		func() error { return t.keepAccounts(k.accounts) },
		func() error { return t.keepMutations(k.mutations) },
		ctx.Err,
	)
	if err != nil {
		return err
	}
	t.open = false
	return asUnknown(t.tx.Commit())
}

func (t *sqliteTransaction) keepRecords(records []keptRecord) error {
	if len(records) == 0 {
		return nil
	}
	stmt, err := t.prepare(sqliteKeepRecord)
	if err != nil {
		return err
	}
	defer stmt.Close() //nolint:errcheck // tells again what running it told
	for _, r := range records {
		var data any
		if !r.Deleted {
			data = r.Data
		}
		err := stmt.exec(r.owner[:], r.ID, int64(r.Revision), r.Deleted, r.SchemaVersion, r.ClientID, r.UpdatedAt.UnixMicro(), data)
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *sqliteTransaction) keepAccounts(accounts []keptAccount) error {
	if len(accounts) == 0 {
		return nil
	}
	stmt, err := t.prepare(sqliteKeepAccount)
	if err != nil {
		return err
	}
	defer stmt.Close() //nolint:errcheck // tells again what running it told
	for i := range accounts {
		a := &accounts[i]
		if err := stmt.exec(a.owner[:], int64(a.Head), a.RecordCount, a.StoredBytes); err != nil {
			return err
		}
	}
	return nil
}

func (t *sqliteTransaction) keepMutations(mutations []keptMutation) error {
	if len(mutations) == 0 {
		return nil
	}
	stmt, err := t.prepare(sqliteKeepMutation)
	if err != nil {
		return err
	}
	defer stmt.Close() //nolint:errcheck // tells again what running it told
	for _, m := range mutations {
		if err := stmt.exec(m.owner[:], m.id, m.Digest[:], encodeRevisions(m.Revisions), int64(m.head)); err != nil {
			return err
		}
	}
	return nil
}

// query runs a statement that has at most one row.
func (t *sqliteTransaction) query(statement string, columns int, use func([]driver.Value)) error {
	stmt, err := t.prepare(statement)
	if err != nil {
		return err
	}
	defer stmt.Close() //nolint:errcheck // tells again what running it told
	return stmt.query(columns, use)
}

// sqliteStatement is a prepared statement.
type sqliteStatement struct {
	driver.Stmt
	args [8]driver.NamedValue
	row  [6]driver.Value
}

func (t *sqliteTransaction) prepare(statement string) (*sqliteStatement, error) {
	stmt, err := t.conn.PrepareContext(context.Background(), statement)
	if err != nil {
		return nil, err
	}
	return &sqliteStatement{Stmt: stmt}, nil
}

func (s *sqliteStatement) bind(args []any) []driver.NamedValue {
	for i, arg := range args {
		s.args[i] = driver.NamedValue{Ordinal: i + 1, Value: arg}
	}
	return s.args[:len(args)]
}

func (s *sqliteStatement) exec(args ...any) error {
	_, err := s.Stmt.(driver.StmtExecContext).ExecContext(context.Background(), s.bind(args))
	return err
}

// query shows the first row, if there is one.
func (s *sqliteStatement) query(columns int, use func(row []driver.Value), args ...any) error {
	rows, err := s.Stmt.(driver.StmtQueryContext).QueryContext(context.Background(), s.bind(args))
	if err != nil {
		return err
	}
	row := s.row[:columns]
	switch err := rows.Next(row); {
	case err == nil:
		use(row)
	case !errors.Is(err, io.EOF):
		return errors.Join(err, rows.Close())
	}
	return rows.Close()
}

func toStored(id string, row []driver.Value) record.Stored {
	return record.Stored{
		Record: record.Record{
			ID:            id,
			Revision:      record.Revision(integer(row[0])),
			Deleted:       integer(row[1]) != 0,
			SchemaVersion: text(row[2]),
			ClientID:      text(row[3]),
			UpdatedAt:     time.UnixMicro(integer(row[4])).UTC(),
		},
		DataBytes: integer(row[5]),
	}
}

// integer, text and blob read columns of STRICT tables, which hold nothing else.
func integer(v driver.Value) int64 { n, _ := v.(int64); return n }
func text(v driver.Value) string   { s, _ := v.(string); return s }
func blob(v driver.Value) []byte   { b, _ := v.([]byte); return b }
