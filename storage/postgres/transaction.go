// Package postgres carries out units of work on PostgreSQL: a transaction, and for
// each table its statements.
package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"syncline/storage/commit"
	"syncline/storage/failure"
	"syncline/storage/row"
)

// Store is a commit.Store and a storage.Reader. An owner's lock is that of the
// account's row.
type Store struct{ pool *pgxpool.Pool }

var _ commit.Store = (*Store)(nil)

// New takes a pool that others may share.
func New(pool *pgxpool.Pool) *Store { return &Store{pool: pool} }

// Transact implements commit.Store. The statement that begins the transaction goes
// out with the first that it has.
func (s *Store) Transact(ctx context.Context, wait bool, f func(commit.Tx) error) error {
	return failure.Of(s.use(ctx, func(conn *pgx.Conn) error { return f(&transaction{conn: conn, wait: wait}) }))
}

// use runs f on a connection. Errors are the driver's and f's.
func (s *Store) use(ctx context.Context, f func(*pgx.Conn) error) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Release() // closes it if a transaction is still open
	defer rollback(conn.Conn())
	return f(conn.Conn())
}

// rollbackTime bounds a rollback, which has nothing to wait for.
const rollbackTime = 5 * time.Second

// rollback ends a transaction that was not committed, if the connection is still of
// use: a panic may have left a batch half read.
func rollback(conn *pgx.Conn) {
	if conn.IsClosed() || conn.PgConn().IsBusy() || conn.PgConn().TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), rollbackTime)
	defer cancel()
	_, _ = conn.Exec(ctx, "rollback") // if it fails, the pool closes the connection
}

// NeverScan is for statements planned while a table was tiny, which would go on
// to read all of it as it grows.
const NeverScan = "set local enable_seqscan = off"

// How long another transaction that makes the same account is waited for, where
// locked ones are left out: a healthy one takes less, and PostgreSQL knows no way to
// skip it. Alone: where others wait meanwhile, and it is known that there is one.
const (
	newAccountTime      = "'50ms'"
	newAccountTimeAlone = "'10ms'"
)

// transaction is a commit.Tx. Its statements go out in two batches, so that it
// takes two round trips: one that begins, locks and reads, and one that writes
// and commits. New owners take a third.
type transaction struct {
	conn *pgx.Conn
	wait bool
}

// Lock implements commit.Tx. It locks the accounts by a statement of its own:
// what the next ones read includes all that was committed before. A single
// statement that locks and reads would read what was there before it waited.
func (t *transaction) Lock(ctx context.Context, owners []commit.Owner, keys []commit.Key, found func(commit.Key, any)) (busy []commit.Owner, err error) {
	locked := make(map[commit.Owner]bool, len(owners))
	lock := lockAccounts
	if !t.wait {
		lock += " SKIP LOCKED"
	}
	var b pgx.Batch
	b.Queue("begin isolation level read committed")
	b.Queue(NeverScan)
	if len(owners) > 0 {
		b.Queue("SELECT k.owner, NULL::text, r.*"+eachOwner+lock+") AS r", ownerColumn(owners)).
			Query(each(row.Accounts, func(key commit.Key, account any) {
				locked[key.Owner] = true
				found(key, account)
			}))
	}
	queueReads(&b, keys, found)
	if err := t.conn.SendBatch(ctx, &b).Close(); err != nil {
		return nil, failure.Of(err)
	}
	if len(locked) == len(owners) {
		return nil, nil
	}

	// Rows are made for owners who have none, which locks them, and all is read
	// once more.
	var missing []commit.Owner
	for _, owner := range owners {
		if !locked[owner] {
			missing = append(missing, owner)
		}
	}
	err = t.makeAccounts(ctx, missing, newAccountTime, keys, found, locked)
	if failure.LeftWaiting(err) && len(missing) > 1 {
		// One by one, so that only those are left out whose rows another
		// transaction is making. All is read when the last is made.
		for _, owner := range missing {
			err = t.makeAccounts(ctx, []commit.Owner{owner}, newAccountTimeAlone, nil, nil, locked)
			if err != nil && !failure.LeftWaiting(err) {
				return nil, failure.Of(err)
			}
		}
		err = t.Read(ctx, keys, found)
	}
	if err != nil && !failure.LeftWaiting(err) {
		return nil, failure.Of(err)
	}
	for _, owner := range missing {
		if !locked[owner] {
			busy = append(busy, owner)
		}
	}
	return busy, nil
}

// makeAccounts makes rows for owners, which locks them, and then reads. If another
// transaction is making one of them, and that takes long, it makes none: see
// failure.LeftWaiting.
func (t *transaction) makeAccounts(ctx context.Context, missing []commit.Owner, wait string, keys []commit.Key, found func(commit.Key, any), locked map[commit.Owner]bool) error {
	var (
		b    pgx.Batch
		made [][]byte
	)
	if !t.wait {
		b.Queue("savepoint accounts")
		b.Queue("set local lock_timeout = " + wait)
	}
	b.Queue(makeAccounts, ownerColumn(missing)).Query(func(rows pgx.Rows) (err error) {
		made, err = pgx.CollectRows(rows, pgx.RowTo[[]byte])
		return err
	})
	if !t.wait {
		b.Queue("set local lock_timeout to default")
	}
	queueReads(&b, keys, found)
	err := t.conn.SendBatch(ctx, &b).Close()
	if !t.wait && failure.LeftWaiting(err) {
		if _, failed := t.conn.Exec(ctx, "rollback to savepoint accounts"); failed != nil {
			return failed
		}
		return err
	}
	for _, owner := range made {
		locked[commit.Owner(owner)] = true
	}
	return err
}

// Read implements commit.Tx.
func (t *transaction) Read(ctx context.Context, keys []commit.Key, found func(commit.Key, any)) error {
	var b pgx.Batch
	queueReads(&b, keys, found)
	return failure.Of(t.conn.SendBatch(ctx, &b).Close())
}

// Commit implements commit.Tx. The commit goes out along with what it commits: a
// statement that fails has the server skip all that follow.
func (t *transaction) Commit(ctx context.Context, changes []commit.Change) error {
	if err := ctx.Err(); err != nil {
		return failure.Of(err)
	}
	var b pgx.Batch
	for len(changes) > 0 {
		n, of := 1, changes[0].Key.Table
		for n < len(changes) && changes[n].Key.Table == of {
			n++
		}
		at := tables[of]
		deleted, stored := row.Changed(changes[:n])
		if len(deleted) > 0 {
			b.Queue(at.remove, columns(deleted)...)
		}
		if len(stored) > 0 {
			b.Queue(at.insert, columns(stored)...)
		}
		changes = changes[n:]
	}
	b.Queue("commit").Exec(func(tag pgconn.CommandTag) error {
		if tag.String() != "COMMIT" {
			return failure.ErrRolledBack
		}
		return nil
	})
	err := t.conn.SendBatch(ctx, &b).Close()
	if nonceTaken(err) {
		return &commit.Failure{Outcome: commit.Clashed, RetryAfter: time.Second, Err: err}
	}
	return failure.OfCommit(err)
}

func ownerColumn(owners []commit.Owner) [][]byte {
	column := make([][]byte, len(owners))
	for i := range owners {
		column[i] = owners[i][:]
	}
	return column
}
