// Package txn tells what the failure of a transaction means, on SQLite and on
// PostgreSQL: whether to run it again, and whether it may stand all the same.
package txn

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"
)

// attempts bounds how often a transaction that gave way is run.
const attempts = 6

// Retry runs f, which runs a transaction, until that does not give way to
// another, a few times at most, with pauses of milliseconds. It returns the last
// error of f, or that of ctx if it ends in a pause.
func Retry(ctx context.Context, f func() error) error {
	for attempt := 1; ; attempt++ {
		err := f()
		if !GaveWay(err) || attempt == attempts {
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

// GaveWay tells whether PostgreSQL rolled the transaction back for the sake of
// another one. It says so in an answer, so the outcome is known.
func GaveWay(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == "40001" || e.Code == "40P01") // serialization_failure, deadlock_detected
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
