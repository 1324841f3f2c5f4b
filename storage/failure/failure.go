// Package failure tells what the failure of a transaction means, on SQLite and on
// PostgreSQL: whether the database is at fault, whether to run it again, and
// whether it may stand all the same.
package failure

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"
	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"

	"syncline/storage/commit"
)

// How long a client is asked to wait.
const (
	retryAfter = time.Second
	// retryAfterOperator is for what an operator has to mend: a full disk, damage.
	retryAfterOperator = 30 * time.Second
)

// ErrRolledBack says that the database answered a commit by rolling back.
var ErrRolledBack = errors.New("the database answered a commit by rolling back")

// Of says what the failure of a statement before any commit means, as a
// *commit.Failure. Errors that are not the database's fault pass, nil too.
func Of(err error) error {
	if _, said := errors.AsType[*commit.Failure](err); err == nil || said {
		return err
	}
	outcome := commit.Unavailable
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		if e.Code()&0xff == sqlitelib.SQLITE_CONSTRAINT {
			return err
		}
		outcome = commit.Refused
	} else if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch {
		case Clashed(err):
			outcome = commit.Clashed
		case !postgresAtFault(e.Code):
			return err
		case e.SeverityUnlocalized == "ERROR" && !strings.HasPrefix(e.Code, "08"):
			outcome = commit.Refused
		}
	} else if !lost(err) {
		return err
	}
	return &commit.Failure{Outcome: outcome, RetryAfter: pause(err), Err: err}
}

// OfCommit is Of for the failure of a commit, or of what is sent along with it.
// pgconn.SafeToRetry is no help there: it says yes also to a connection that
// closed while the answer was awaited.
func OfCommit(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrRolledBack):
		return &commit.Failure{Outcome: commit.Refused, RetryAfter: retryAfter, Err: err}
	case Refused(err):
		return Of(err)
	}
	return &commit.Failure{Outcome: commit.Unknown, RetryAfter: pause(err), Err: err}
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

// lost tells whether there is no connection, or no time.
func lost(err error) bool {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if _, ok := errors.AsType[net.Error](err); ok || pgconn.SafeToRetry(err) { // a connection found closed, for one
		return true
	}
	for _, lost := range []error{
		context.DeadlineExceeded, context.Canceled, // of the transaction's own context
		driver.ErrBadConn, sql.ErrConnDone, sql.ErrTxDone, puddle.ErrClosedPool, io.EOF, io.ErrUnexpectedEOF,
	} {
		if errors.Is(err, lost) {
			return true
		}
	}
	return strings.HasSuffix(err.Error(), "sql: database is closed") // database/sql has no name for it
}

func pause(err error) time.Duration {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff {
		case sqlitelib.SQLITE_FULL, sqlitelib.SQLITE_CORRUPT, sqlitelib.SQLITE_NOTADB:
			return retryAfterOperator
		}
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == "53100" {
		return retryAfterOperator
	}
	return retryAfter
}

// attempts bounds how often a transaction that clashed is run.
const attempts = 6

// Retry runs f, which runs a transaction, until that does not clash with another,
// a few times at most, with pauses of milliseconds. It returns the last error of
// f, or that of ctx if it ends in a pause.
func Retry(ctx context.Context, f func() error) error {
	for attempt := 1; ; attempt++ {
		err := f()
		if !Clashed(err) || attempt == attempts {
			return err
		}
		pause := time.NewTimer(time.Duration(attempt) * rand.N(10*time.Millisecond)) //nolint:gosec // spreads load, guards nothing
		select {
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		case <-pause.C:
		}
	}
}

// Clashed tells whether PostgreSQL rolled the transaction back for the sake of
// another one, or because the tables have changed since a statement was prepared. It
// says so in an answer, so the outcome is known.
func Clashed(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == "40001" || e.Code == "40P01" || StalePlan(e)) // serialization_failure, deadlock_detected
}

// StalePlan tells whether a statement failed because its result has other types than when it was
// prepared: a column has changed since. PostgreSQL has no code of its own for it.
func StalePlan(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "0A000" && e.Routine == "RevalidateCachedQuery" // feature_not_supported
}

// LeftWaiting tells whether PostgreSQL ended a statement that waited longer than
// its lock_timeout for what another transaction has locked.
func LeftWaiting(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "55P03" // lock_not_available
}

// Refused tells whether the database answered a commit with a plain no, so that
// nothing of it stands.
func Refused(err error) bool {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		// Any other failure, above all of a sync, may leave the commit in the
		// log, for the next start to find.
		code := e.Code() & 0xff
		return code == sqlitelib.SQLITE_FULL || code == sqlitelib.SQLITE_BUSY
	}
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.SeverityUnlocalized == "ERROR" && e.Code != "40003" && // statement_completion_unknown
		!strings.HasPrefix(e.Code, "08") // of a pooler that lost the server
}
