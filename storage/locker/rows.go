package locker

import (
	"context"
	"errors"
	"slices"
	"time"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"

	"syncline/ent"
	"syncline/ent/account"
	"syncline/ent/epoch"
	entlock "syncline/ent/lock"
	"syncline/ent/lockholder"
	"syncline/ent/predicate"
	"syncline/locks"
)

// maxKeys bounds the locks of one query: both databases limit its parameters. It
// is a power of two, see ofLocks.
const maxKeys = 1 << 13

// takeToken takes the owner's next token, above those of any history that a
// restore cut off.
func takeToken(ctx context.Context, tx *ent.Tx, owner locks.Owner, counter locks.Token) (locks.Token, error) {
	present, err := tx.Epoch.Query().Order(epoch.ByID(entsql.OrderDesc())).First(ctx)
	if err != nil {
		return 0, err
	}
	token := max(counter, locks.Token(present.Base)) + 1
	updated, err := tx.Account.Update().Where(account.ID(owner[:])).SetFenceToken(int64(token)).Save(ctx)
	if err == nil && updated != 1 {
		err = errors.New("locker: the account that was locked is gone")
	}
	return token, err
}

// readFence is 0 for a lock that was never granted.
func readFence(ctx context.Context, fences *ent.LockClient, key locks.Key) (locks.Token, error) {
	row, err := fences.Query().Where(entlock.Owner(key.Owner[:]), entlock.ID(key.Name)).Only(ctx)
	if ent.IsNotFound(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return locks.Token(row.Fence), nil
}

// raiseFence brings the fence to a granted token, unless it stands there.
func raiseFence(ctx context.Context, tx *ent.Tx, key locks.Key, fence, token locks.Token) error {
	if fence >= token {
		return nil
	}
	return tx.Lock.Create().
		SetOwner(key.Owner[:]).
		SetID(key.Name).
		SetFence(int64(token)).
		OnConflictColumns(entlock.FieldOwner, entlock.FieldID).
		UpdateNewValues().
		Exec(ctx)
}

// keepHold stores a hold, new or changed, and cleans up those of its lock that
// ended.
func keepHold(ctx context.Context, tx *ent.Tx, key locks.Key, lock locks.Lock, fence locks.Token, hold locks.Holder) error {
	ended := lockholder.Or(lockholder.Not(liveAt(lock.ReadAt)), lockholder.TokenLT(int64(fence)))
	if _, err := tx.LockHolder.Delete().Where(ofLock(key), ended).Exec(ctx); err != nil {
		return err
	}
	return tx.LockHolder.Create().
		SetOwner(key.Owner[:]).
		SetLock(key.Name).
		SetID(hold.InstanceID).
		SetExclusive(lock.Exclusive).
		SetToken(int64(hold.Token)).
		SetExpiresAt(hold.ExpiresAt.UnixMicro()).
		OnConflictColumns(lockholder.FieldOwner, lockholder.FieldLock, lockholder.FieldID).
		UpdateNewValues().
		Exec(ctx)
}

func dropHolder(ctx context.Context, tx *ent.Tx, key locks.Key, instanceID string) error {
	_, err := tx.LockHolder.Delete().Where(ofLock(key), lockholder.ID(instanceID)).Exec(ctx)
	return err
}

// liveAt holds for the holds that have not ended. One that seems to last much
// longer than any may was granted before the clock was set back: it ends too,
// lest it bar the lock for as long as the clock was wrong.
func liveAt(now time.Time) predicate.LockHolder {
	return lockholder.And(
		lockholder.ExpiresAtGT(now.UnixMicro()),
		lockholder.ExpiresAtLTE(now.Add(2*locks.MaxTTL).UnixMicro()),
	)
}

func ofLock(key locks.Key) predicate.LockHolder {
	return lockholder.And(lockholder.Owner(key.Owner[:]), lockholder.Lock(key.Name))
}

// readOne reads a lock inside a transaction.
func (l *Locker) readOne(ctx context.Context, tx *ent.Tx, key locks.Key) (locks.Lock, error) {
	found, err := l.readAll(ctx, tx.Client(), []locks.Key{key})
	if err != nil {
		return locks.Lock{}, err
	}
	return found[0], nil
}

func (l *Locker) readAll(ctx context.Context, client *ent.Client, keys []locks.Key) ([]locks.Lock, error) {
	now, err := l.clock(ctx, client)
	if err != nil {
		return nil, err
	}
	rows := make(map[locks.Key][]*ent.LockHolder)
	for some := range slices.Chunk(keys, maxKeys) {
		found, err := client.LockHolder.Query().Where(ofLocks(some), liveAt(now)).All(ctx)
		if err != nil {
			return nil, err
		}
		for _, row := range found {
			key := locks.Key{Owner: locks.Owner(row.Owner), Name: row.Lock}
			rows[key] = append(rows[key], row)
		}
	}
	found := make([]locks.Lock, len(keys))
	for i, key := range keys {
		found[i] = toLock(key.Name, rows[key], now)
	}
	return found, nil
}

// ofLocks compares pairs, which both databases look up in the primary key; a
// chain of as many ORs would be too deep for SQLite.
func ofLocks(keys []locks.Key) predicate.LockHolder {
	if len(keys) == 1 {
		return ofLock(keys[0])
	}
	keys = slices.Clone(keys)
	for len(keys)&(len(keys)-1) != 0 { // few lengths: each has a statement, which every connection keeps
		keys = append(keys, keys[0])
	}
	return func(s *entsql.Selector) {
		s.Where(entsql.P(func(b *entsql.Builder) {
			b.Wrap(func(b *entsql.Builder) { b.IdentComma(s.C(lockholder.FieldOwner), s.C(lockholder.FieldLock)) })
			b.WriteString(" IN ")
			b.Wrap(func(b *entsql.Builder) {
				b.WriteString("VALUES ")
				for i, key := range keys {
					if i > 0 {
						b.Comma()
					}
					b.Wrap(func(b *entsql.Builder) { pair(b, key) })
				}
			})
		}))
	}
}

// pair writes a key. PostgreSQL takes parameters of VALUES for text if it is not
// told otherwise.
func pair(b *entsql.Builder, key locks.Key) {
	if b.Dialect() != dialect.Postgres {
		b.Args(key.Owner[:], key.Name)
		return
	}
	b.Arg(key.Owner[:]).WriteString("::bytea").Comma().Arg(key.Name).WriteString("::text")
}

// clock reads the clock by which holds end. It is read anew in each statement,
// not once per transaction: a transaction may have waited.
func (l *Locker) clock(ctx context.Context, client *ent.Client) (time.Time, error) {
	if l.dialect != dialect.Postgres {
		return l.now().UTC().Truncate(time.Microsecond), nil
	}
	rows, err := client.QueryContext(ctx, "SELECT clock_timestamp()")
	if err != nil {
		return time.Time{}, err
	}
	defer rows.Close() //nolint:errcheck // its one row was read, or that failed
	var now time.Time
	err = entsql.ScanOne(rows, &now)
	return now.UTC(), errors.Join(err, rows.Err())
}
