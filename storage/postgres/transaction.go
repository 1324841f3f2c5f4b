// Package postgres carries out units of work on PostgreSQL: a transaction, and for
// each table its statements.
package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"syncline/storage/commit"
	"syncline/storage/failure"
	"syncline/storage/row"
)

// Store is a commit.Store. An owner's lock is that of the account's row.
type Store struct{ pool *pgxpool.Pool }

var _ commit.Store = (*Store)(nil)

// New takes a pool that others may share.
func New(pool *pgxpool.Pool) *Store { return &Store{pool: pool} }

// Transact implements commit.Store. The statement that begins the transaction goes
// out with the first that it has.
func (s *Store) Transact(ctx context.Context, wait bool, f func(commit.Tx) error) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return failure.Of(err)
	}
	defer conn.Release() // closes it if a transaction is still open
	defer rollback(conn.Conn())
	return f(&transaction{conn: conn.Conn(), wait: wait})
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
		b.Queue("SELECT k.owner, r.*"+eachOwner+lock+") AS r", ownerColumn(owners)).Query(func(rows pgx.Rows) error {
			return forEachRow(rows, func(rows pgx.Rows) error {
				key, account, err := scanAccount(rows)
				locked[key.Owner] = true
				found(key, account)
				return err
			})
		})
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
		made []commit.Owner
	)
	if !t.wait {
		b.Queue("savepoint accounts")
		b.Queue("set local lock_timeout = " + wait)
	}
	b.Queue(makeAccounts, ownerColumn(missing)).Query(func(rows pgx.Rows) error {
		return forEachRow(rows, func(rows pgx.Rows) error {
			var owner []byte
			err := rows.Scan(&owner)
			if err == nil {
				made = append(made, commit.Owner(owner))
			}
			return err
		})
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
		locked[owner] = true
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
		n, at, removed := 1, tables[changes[0].Key.Table], changes[0].After == nil
		for n < len(changes) && tables[changes[n].Key.Table] == at && removed == (changes[n].After == nil) {
			n++
		}
		if removed && at.remove != "" {
			owners, ids := make([][]byte, n), make([]string, n)
			for i := range n {
				owners[i], ids[i] = changes[i].Key.Owner[:], changes[i].Key.ID
			}
			b.Queue(at.remove, owners, ids)
		} else {
			at.write(&b, changes[:n])
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

// table is how the rows of one commit.Table are read and written.
type table struct {
	read  string // selects the rows of $1, owners, and $2, ids
	bytes bool   // ids are bytes in the table
	scan  func(pgx.Rows) (commit.Key, any, error)
	join  func(some, more any) any // the value of several rows of one key
	write func(*pgx.Batch, []commit.Change)
	// remove deletes the rows of $1 and $2. Without it, write does.
	remove string
}

var tables = [...]*table{
	row.Epochs:    &epochs,
	row.Accounts:  &accounts,
	row.Records:   &records,
	row.Data:      &data,
	row.Mutations: &mutations,
	row.Fences:    &fences,
	row.Clock:     &clock,
	row.Holds:     &holds,
	row.Nonces:    &nonces,

	row.Erasures:      &erasures,
	row.AllFences:     &allFences,
	row.AllHolders:    &allHolders,
	row.RestoredHeads: &restoredHeads,
}

// LATERAL with LIMIT has PostgreSQL look up one key after the other in the index.
// The arrays stand in sub-selects to hide their lengths: planned for one row, a
// statement would seem so cheap that the plan for any number of rows is passed
// over, and each execution is planned anew.
const (
	eachOwner = " FROM unnest((SELECT $1::bytea[])) AS k(owner) CROSS JOIN LATERAL "
	ofKeys    = " USING unnest((SELECT $1::bytea[]), (SELECT $2::text[])) AS k(owner, id) "
	eachKey   = " FROM unnest((SELECT $1::bytea[]), (SELECT $2::text[])) AS k(owner, id) CROSS JOIN LATERAL "
)

// queueReads asks for the rows of sorted keys, a statement for each table. Those
// of accounts come with their locks.
func queueReads(b *pgx.Batch, keys []commit.Key, found func(commit.Key, any)) {
	for len(keys) > 0 {
		n := 1
		for n < len(keys) && keys[n].Table == keys[0].Table {
			n++
		}
		at := tables[keys[0].Table]
		if at.read != "" {
			var args []any
			if at != &epochs && at != &clock {
				owners, ids, bytes := make([][]byte, n), make([]string, n), make([][]byte, n)
				for i := range n {
					owners[i], ids[i], bytes[i] = keys[i].Owner[:], keys[i].ID, []byte(keys[i].ID)
				}
				if args = []any{owners, ids}; at.bytes {
					args[1] = bytes
				}
			}
			b.Queue(at.read, args...).Query(func(rows pgx.Rows) error {
				joined := map[commit.Key]any{}
				err := forEachRow(rows, func(rows pgx.Rows) error {
					key, value, err := at.scan(rows)
					switch so := joined[key]; {
					case err != nil:
						return err
					case at.join == nil:
						found(key, value)
					case so == nil:
						joined[key] = value
					default:
						joined[key] = at.join(so, value)
					}
					return nil
				})
				for key, value := range joined {
					found(key, value)
				}
				return err
			})
		}
		keys = keys[n:]
	}
}

func forEachRow(rows pgx.Rows, use func(pgx.Rows) error) error {
	for rows.Next() {
		if err := use(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func ownerColumn(owners []commit.Owner) [][]byte {
	column := make([][]byte, len(owners))
	for i := range owners {
		column[i] = owners[i][:]
	}
	return column
}
