package entstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"

	"syncline/internal/txn"
	"syncline/record"
)

// How long a client is asked to wait.
const (
	retryAfter         = time.Second
	retryAfterFullDisk = 30 * time.Second
)

var errRolledBack = errors.New("the database answered a commit by rolling back")

// asUnknown marks the failure of a commit, or of what is sent along with it,
// that does not tell whether the transaction stands. pgconn.SafeToRetry is no
// help: it says yes also to a connection that closed while the answer was awaited.
func asUnknown(err error) error {
	if err == nil || txn.Refused(err) {
		return err
	}
	return &record.UnavailableError{RetryAfter: pause(err), OutcomeUnknown: !errors.Is(err, errRolledBack), Err: err}
}

func outcomeUnknown(err error) bool {
	u, ok := errors.AsType[*record.UnavailableError](err)
	return ok && u.OutcomeUnknown
}

// unavailable turns the failure of a statement into an *record.UnavailableError
// if the database is at fault and nothing was committed. Other errors pass.
func unavailable(err error) error {
	if _, said := errors.AsType[*record.UnavailableError](err); err == nil || said || !atFault(err) {
		return err
	}
	return &record.UnavailableError{RetryAfter: pause(err), Err: err}
}

// alive tells whether the database answered, so that it may yet do for some of
// a group what it did not do for all.
func alive(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.SeverityUnlocalized == "ERROR" && !strings.HasPrefix(e.Code, "08")
	}
	if _, ok := errors.AsType[*sqlite.Error](err); ok {
		return true
	}
	return !atFault(err)
}

func atFault(err error) bool {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code()&0xff != sqlitelib.SQLITE_CONSTRAINT
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return postgresAtFault(e.Code)
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if _, ok := errors.AsType[net.Error](err); ok || pgconn.SafeToRetry(err) { // a connection found closed, for one
		return true
	}
	for _, lost := range []error{
		context.DeadlineExceeded, context.Canceled, // of the transaction's own context
		driver.ErrBadConn, sql.ErrConnDone, sql.ErrTxDone, io.EOF, io.ErrUnexpectedEOF,
	} {
		if errors.Is(err, lost) {
			return true
		}
	}
	return strings.HasSuffix(err.Error(), "sql: database is closed") // database/sql has no name for it
}

// postgresAtFault goes by the class of an error: connection, clash of
// transactions, lack of resources, not now, the operator, the system, a server
// that became a standby, and a transaction that stood still for too long.
func postgresAtFault(code string) bool {
	switch code[:min(2, len(code))] {
	case "08", "40", "53", "55", "57", "58", "XX":
		return true
	}
	return code == "25006" || code == "25P03"
}

func pause(err error) time.Duration {
	if e, ok := errors.AsType[*sqlite.Error](err); ok && e.Code()&0xff == sqlitelib.SQLITE_FULL {
		return retryAfterFullDisk
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == "53100" {
		return retryAfterFullDisk
	}
	return retryAfter
}
