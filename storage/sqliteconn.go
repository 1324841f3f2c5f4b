package storage

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"

	"modernc.org/sqlite"
)

// maxPrepared bounds the statements that a connection keeps prepared.
const maxPrepared = 128

// openPool is a pool of connections that keep their statements prepared.
// Preparing a statement takes SQLite as long as running it. Those that write keep the
// write-ahead log short.
func openPool(dsn string, watched *files, writes bool) (*sql.DB, error) {
	c, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(preparingConnector{c, watched, writes}), nil
}

type preparingConnector struct {
	driver.Connector
	files  *files
	writes bool
}

func (c preparingConnector) Connect(ctx context.Context) (driver.Conn, error) {
	// SQLite would make a database in the place of one that is gone.
	if err := c.files.present(nil); err != nil {
		return nil, err
	}
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, c.files.note(err)
	}
	prepared := &preparingConn{sqliteConn: conn.(sqliteConn), idle: map[string]driver.Stmt{}, files: c.files}
	if !c.writes {
		return prepared, nil
	}
	writer := &loggingConn{preparingConn: prepared, log: c.files.path + "-wal", longest: maxLog}
	writer.mark() // before anything is written
	return writer, nil
}

// sqliteConn is what the driver's connections can do and database/sql uses. That
// they execute without preparing is left out.
type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// preparingConn keeps statements prepared that were closed, by their text. Like
// any connection it is used by one goroutine at a time.
type preparingConn struct {
	sqliteConn
	idle  map[string]driver.Stmt
	files *files
}

// PrepareContext implements driver.ConnPrepareContext.
func (c *preparingConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	stmt, ok := c.idle[query]
	if ok {
		delete(c.idle, query) // nobody else may have it until it is closed
	} else {
		var err error
		if stmt, err = c.sqliteConn.PrepareContext(ctx, query); err != nil {
			return nil, c.files.note(err)
		}
	}
	if !worthKeeping(query) {
		return stmt, nil
	}
	return &preparedStmt{sqliteStmt: stmt.(sqliteStmt), conn: c, query: query}, nil
}

// worthKeeping leaves out above all PRAGMA, some of which act as they are prepared.
func worthKeeping(query string) bool {
	for _, verb := range []string{"SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH "} {
		if strings.HasPrefix(query, verb) {
			return true
		}
	}
	return false
}

// Close implements driver.Conn. SQLite closes a database only when its
// statements are.
func (c *preparingConn) Close() error {
	for _, stmt := range c.idle {
		_ = stmt.Close() // tells again how the statement last failed
	}
	clear(c.idle)
	return c.sqliteConn.Close()
}

func (c *preparingConn) keep(query string, stmt driver.Stmt) error {
	if _, another := c.idle[query]; another || !c.IsValid() {
		return stmt.Close()
	}
	if len(c.idle) >= maxPrepared {
		for some, old := range c.idle { // any
			delete(c.idle, some)
			_ = old.Close() // tells again how the statement last failed
			break
		}
	}
	c.idle[query] = stmt
	return nil
}

type sqliteStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// preparedStmt goes back to its connection when it is closed.
type preparedStmt struct {
	sqliteStmt
	conn   *preparingConn
	query  string
	closed bool
}

// ExecContext implements driver.StmtExecContext.
func (s *preparedStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	result, err := s.sqliteStmt.ExecContext(ctx, args)
	return result, s.conn.files.note(err)
}

// QueryContext implements driver.StmtQueryContext.
func (s *preparedStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := s.sqliteStmt.QueryContext(ctx, args)
	if err != nil {
		return nil, s.conn.files.note(err)
	}
	return notingRows{rows, s.conn.files}, nil
}

// Close implements driver.Stmt.
func (s *preparedStmt) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	return s.conn.keep(s.query, s.sqliteStmt)
}
