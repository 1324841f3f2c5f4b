package locker

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"entgo.io/ent/dialect"

	"syncline/ent"
	"syncline/locks"
	"syncline/storage/failure"
)

const (
	// transactionTime bounds a transaction and the waiting for it, so that a
	// database that stopped answering does not hold requests for ever.
	transactionTime = 30 * time.Second
	retryAfter      = time.Second
)

// work is what a transaction does after it has locked the owner's account, whose
// counter of tokens it is given. It says whether to commit.
type work func(ctx context.Context, tx *ent.Tx, counter locks.Token) (changed bool, err error)

// transact runs f in a transaction. The end of ctx stops it before it begins,
// and not any more after that, so that whoever still listens learns what became
// of it. Errors are *locks.UnavailableError or ctx's.
//
// Whoever waits for others of its owner has no connection meanwhile. An account
// that another process has locked may be so for long, if that process froze: few
// wait for such accounts at a time, so that the others find a connection.
func (l *Locker) transact(ctx context.Context, owner locks.Owner, f work) error {
	server, cancel := context.WithTimeout(context.WithoutCancel(ctx), transactionTime)
	defer cancel()
	turn := l.turns.join(owner)
	defer l.turns.part(owner)
	if err := turn.enter(ctx, server); err != nil {
		return err
	}
	defer turn.leave()
	return failure.Retry(ctx, func() error {
		err := l.through(ctx, server, l.working, owner, l.dialect != dialect.Postgres, f)
		if errors.Is(err, errHeld) {
			err = l.through(ctx, server, l.patient, owner, true, f)
		}
		return err
	})
}

// maxPatient bounds how many transactions wait for an account.
const maxPatient = 4

// newGates leaves at least a quarter of the connections, if there are that many,
// to all others: records would wait behind the locks of thousands of owners.
func newGates(connections int) (working, patient gate) {
	if connections <= 0 { // no bound
		connections = 4 * maxPatient
	}
	return make(gate, max(1, connections/2)), make(gate, min(maxPatient, max(1, connections/4)))
}

// through runs a transaction when a gate lets it.
func (l *Locker) through(ctx, server context.Context, g gate, owner locks.Owner, wait bool, f work) error {
	if err := g.enter(ctx, server); err != nil {
		return err
	}
	defer g.leave()
	return l.transactOnce(ctx, server, owner, wait, f)
}

func (l *Locker) transactOnce(ctx, server context.Context, owner locks.Owner, wait bool, f work) error {
	server, cancel := context.WithCancel(server)
	defer cancel()
	tx, err := l.begin(ctx, server, cancel)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it fails, else the connection is lost with its transaction
	changed := false
	counter, err := lockAccount(server, tx, owner, wait)
	if err == nil {
		changed, err = f(server, tx, counter)
	}
	switch {
	case err != nil:
		return unavailable(err)
	case !changed:
		return nil
	case server.Err() != nil: // rolled back already
		return unavailable(server.Err())
	}
	if err := tx.Commit(); err != nil {
		return &locks.UnavailableError{RetryAfter: retryAfter, OutcomeUnknown: !failure.Refused(err), Err: err}
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
