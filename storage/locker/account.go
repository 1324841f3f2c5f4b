package locker

import (
	"context"
	"errors"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"

	"syncline/ent"
	"syncline/ent/account"
	"syncline/locks"
	"syncline/storage/failure"
)

// errHeld says that another transaction has an owner's account locked.
var errHeld = errors.New("locker: another transaction has the account locked")

// lockAccount locks the owner's row until the transaction ends, and reads its
// counter of tokens. On PostgreSQL the lock is a statement of its own, so that
// what is read after it is not from before it waited. Where it is not to wait
// for another transaction the error is errHeld.
func lockAccount(ctx context.Context, tx *ent.Tx, owner locks.Owner, wait bool) (locks.Token, error) {
	query := tx.Account.Query().Where(account.ID(owner[:]), forUpdate(wait))
	row, err := query.Clone().Only(ctx)
	if ent.IsNotFound(err) {
		if err = makeAccount(ctx, tx, owner, wait); err == nil {
			row, err = query.Only(ctx)
		}
	}
	if !wait && (ent.IsNotFound(err) || failure.LeftWaiting(err)) {
		err = errHeld
	}
	if err != nil {
		return 0, err
	}
	return locks.Token(row.FenceToken), nil
}

func forUpdate(wait bool) func(*entsql.Selector) {
	return func(s *entsql.Selector) {
		switch {
		case s.Dialect() != dialect.Postgres:
		case wait:
			s.ForUpdate()
		default:
			s.ForUpdate(entsql.WithLockAction(entsql.SkipLocked))
		}
	}
}

// makeAccount makes a row for an owner who has none.
func makeAccount(ctx context.Context, tx *ent.Tx, owner locks.Owner, wait bool) error {
	if !wait {
		exists, err := tx.Account.Query().Where(account.ID(owner[:])).Exist(ctx)
		if err != nil {
			return err
		}
		if exists { // and was skipped
			return errHeld
		}
		if _, err := tx.ExecContext(ctx, "SET LOCAL lock_timeout = "+newAccountTime); err != nil {
			return err
		}
	}
	return tx.Account.Create().SetID(owner[:]).OnConflictColumns(account.FieldID).Ignore().Exec(ctx)
}

// newAccountTime is how long another transaction that makes the same account is
// waited for: PostgreSQL knows no way to skip it. A healthy one takes less.
const newAccountTime = "'50ms'"
