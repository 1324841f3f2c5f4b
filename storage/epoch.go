package storage

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	entsql "entgo.io/ent/dialect/sql"

	"syncline/ent"
	"syncline/ent/account"
	"syncline/ent/epoch"
	"syncline/ent/lock"
	"syncline/ent/restoredhead"
)

// baseShift leaves each second 2^21 revisions: more than one owner can write.
// A base from the clock is then above all that was written before it, also
// above what the backup never saw.
const baseShift = 21

// maxBase leaves room for 2^45 revisions above it. A clock gets there in 2105.
const maxBase = 1<<53 - 1<<45

// ImportedHead stands in place of the number of an epoch at the head that an owner had
// where it was exported.
const ImportedHead = 0

// NewEpoch begins a new history, as is due after a restore from backup:
// cursors of the old one are refused, and the revisions and fence tokens of
// every owner go on above the base that it returns. Until it is called, clients
// may take new data for old. The base is 2^21 times the Unix seconds of now,
// or, if that clock is behind the data, the next multiple above all of it.
//
// The backup lacks nonces, so signatures from before the next start are refused.
func (db *DB) NewEpoch(ctx context.Context, now time.Time) (base int64, err error) {
	if db.dir != "" {
		if err := RemoveMark(NoncesMark(db.dir)); err != nil {
			return 0, err
		}
	}
	return db.newEpoch(ctx, now, 0)
}

// newEpoch begins an epoch whose base is at least above.
func (db *DB) newEpoch(ctx context.Context, now time.Time, above int64) (base int64, err error) {
	tx, err := db.Write.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return 0, err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it fails, else the connection is lost with its transaction
	if err := db.kind.lockOutWriters(ctx, tx); err != nil {
		return 0, err
	}
	latest, err := tx.Epoch.Query().Order(epoch.ByID(entsql.OrderDesc())).First(ctx)
	if err != nil {
		return 0, err
	}
	if base, err = nextBase(ctx, tx, max(latest.Base, above), now); err != nil {
		return 0, err
	}
	number := latest.ID + 1
	if err := beginEpoch(tx.Epoch, number, base, now).Exec(ctx); err != nil {
		return 0, err
	}
	if err := keepHeads(ctx, tx, number); err != nil {
		return 0, err
	}
	return base, tx.Commit()
}

// Epochs are the names of the database's histories, the present one last. Two
// databases share no more of them than they have of a past in common.
func (db *DB) Epochs(ctx context.Context) ([]string, error) {
	found, err := db.Read.Epoch.Query().Order(epoch.ByID()).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the epochs: %w", err)
	}
	names := make([]string, len(found))
	for i, e := range found {
		names[i] = hex.EncodeToString(e.Epoch)
	}
	return names, nil
}

func nextBase(ctx context.Context, tx *ent.Tx, latest int64, now time.Time) (int64, error) {
	highest, err := highestGiven(ctx, tx)
	if err != nil {
		return 0, err
	}
	highest = max(highest, latest)
	base := now.Unix() << baseShift
	if base <= highest {
		base = (highest>>baseShift + 1) << baseShift
	}
	if base > maxBase {
		return 0, errors.New("the clock is wrong: a new epoch would leave no room for revisions")
	}
	return base, nil
}

// highestGiven is the highest revision or fence token of any owner.
func highestGiven(ctx context.Context, tx *ent.Tx) (int64, error) {
	heads, err := tx.Account.Query().Order(account.ByHead(entsql.OrderDesc())).Limit(1).
		Select(account.FieldHead).Ints(ctx)
	if err != nil {
		return 0, err
	}
	tokens, err := tx.Account.Query().Order(account.ByFenceToken(entsql.OrderDesc())).Limit(1).
		Select(account.FieldFenceToken).Ints(ctx)
	if err != nil {
		return 0, err
	}
	fences, err := tx.Lock.Query().Order(lock.ByFence(entsql.OrderDesc())).Limit(1).
		Select(lock.FieldFence).Ints(ctx)
	if err != nil {
		return 0, err
	}
	return int64(slices.Max(slices.Concat(heads, tokens, fences, []int{0}))), nil
}

// keepHeads notes where each owner's history was cut.
func keepHeads(ctx context.Context, tx *ent.Tx, number int) error {
	_, err := tx.ExecContext(ctx, fmt.Sprintf("INSERT INTO %s (%s, %s, %s) SELECT %s, %s, %d FROM %s WHERE %[6]s > 0",
		restoredhead.Table, restoredhead.FieldOwner, restoredhead.FieldHead, restoredhead.FieldID,
		account.FieldID, account.FieldHead, number, account.Table))
	return err
}

// beginFirstEpoch does nothing if there is an epoch already.
func beginFirstEpoch(ctx context.Context, client *ent.Client, now time.Time) error {
	exists, err := client.Epoch.Query().Exist(ctx)
	if err != nil || exists {
		return err
	}
	return beginEpoch(client.Epoch, 1, 0, now).OnConflictColumns(epoch.FieldID).Ignore().Exec(ctx)
}

func beginEpoch(client *ent.EpochClient, number int, base int64, now time.Time) *ent.EpochCreate {
	name := make([]byte, 8)
	_, _ = rand.Read(name) // never fails: crypto/rand ends the process instead
	return client.Create().SetID(number).SetEpoch(name).SetBase(base).SetBeganAt(now.UnixMicro())
}
