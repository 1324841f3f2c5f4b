package dblock

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"

	"syncline/ent"
	"syncline/locks"
)

const (
	// transactionTime bounds a transaction, so that a database that stopped
	// answering does not hold requests for ever.
	transactionTime = 30 * time.Second
	// attempts bounds how often a transaction that PostgreSQL gave up for
	// another's sake is run.
	attempts   = 6
	retryAfter = time.Second
)

// transact runs f in a transaction, which f says whether to commit. The end of
// ctx stops it before it begins, and not any more after that, so that whoever
// still listens learns what became of it. Errors are *locks.UnavailableError or
// ctx's.
func (l *Locker) transact(ctx context.Context, f func(context.Context, *ent.Tx) (bool, error)) error {
	for attempt := 1; ; attempt++ {
		err := l.transactOnce(ctx, f)
		if !gaveWay(err) || attempt == attempts {
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

func (l *Locker) transactOnce(ctx context.Context, f func(context.Context, *ent.Tx) (bool, error)) error {
	server, cancel := context.WithTimeout(context.WithoutCancel(ctx), transactionTime)
	defer cancel()
	tx, err := l.begin(ctx, server, cancel)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it fails, else the connection is lost with its transaction
	changed, err := f(server, tx)
	switch {
	case err != nil:
		return unavailable(err)
	case !changed:
		return nil
	case server.Err() != nil: // rolled back already
		return unavailable(server.Err())
	}
	if err := tx.Commit(); err != nil {
		return &locks.UnavailableError{RetryAfter: retryAfter, OutcomeUnknown: !refused(err), Err: err}
	}
	return nil
}

// begin begins a transaction on the server's context, which the end of ctx
// cancels until it has begun.
func (l *Locker) begin(ctx, server context.Context, cancel context.CancelFunc) (*ent.Tx, error) {
	detach := context.AfterFunc(ctx, cancel)
	// Read committed: what follows the lock on the account sees all that the
	// lock waited for.
	tx, err := l.write.BeginTx(server, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	switch {
	case !detach():
		if err == nil {
			_ = tx.Rollback() // its context has ended: it is rolled back in any case
		}
		return nil, ctx.Err()
	case err != nil:
		return nil, unavailable(err)
	}
	return tx, nil
}

// unavailable says that a statement failed before any commit. The database is
// at fault, for a request that got here is valid.
func unavailable(err error) error {
	return &locks.UnavailableError{RetryAfter: retryAfter, Err: err}
}

// gaveWay tells whether PostgreSQL rolled a transaction back for the sake of
// another. It says so in an answer, so the outcome is known.
func gaveWay(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == "40001" || e.Code == "40P01")
}

// refused tells whether the database answered a commit with a plain no. Any
// other failure may leave the commit in the log, for the next start to find.
func refused(err error) bool {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		code := e.Code() & 0xff
		return code == sqlitelib.SQLITE_FULL || code == sqlitelib.SQLITE_BUSY
	}
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.SeverityUnlocalized == "ERROR" && e.Code != "40003" && // statement_completion_unknown
		!strings.HasPrefix(e.Code, "08") // of a pooler that lost the server
}
