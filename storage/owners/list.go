// Package owners is what an operator does with whole owners: it lists them, and
// exports and imports their data. See [List], [Export] and [Import].
package owners

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	entsql "entgo.io/ent/dialect/sql"

	"syncline/ent/account"
	"syncline/record"
	"syncline/storage"
)

// Account is what an owner has.
type Account struct {
	Owner       record.Owner
	Head, Floor record.Revision
	Records     int64 // live ones
	Bytes       int64 // of their data
	Tombstones  int64
	// MutationBytes is about what the remembered mutation ids take.
	MutationBytes int64
	Quota         record.Quota // the owner's own: 0 stands for the server's, record.Unbounded for none
	Created       time.Time    // zero if that is not known
	Written       time.Time    // when the newest record was written, or deleted; zero if there is none
}

// Order is what a list is sorted by, the most first.
type Order string

// The orders.
const (
	ByBytes   Order = "bytes"
	ByRecords Order = "records"
	ByWritten Order = "written" // the newest first
	ByOwner   Order = "owner"
)

// Filter says which owners to list.
type Filter struct {
	Order                Order
	MinBytes, MinRecords int64
	WrittenBefore        time.Time // zero: whenever
	Most                 int       // 0: all
	only                 *record.Owner
}

// errEnough ends a list that is long enough.
var errEnough = errors.New("enough")

// ErrUnknown says that there is no such owner.
var ErrUnknown = errors.New("there is no such owner here")

// Find reads what one owner has. The error may be ErrUnknown.
func Find(ctx context.Context, db *storage.DB, owner record.Owner) (Account, error) {
	found := Account{}
	if err := List(ctx, db, Filter{Order: ByOwner, only: &owner}, func(a Account) error { found = a; return nil }); err != nil {
		return Account{}, err
	}
	if found.Owner != owner {
		return Account{}, ErrUnknown
	}
	return found, nil
}

// newest is when the newest record of an account's owner was written.
const newest = "coalesce((SELECT r.updated_at FROM syncline_records AS r WHERE r.owner = syncline_accounts.owner AND " +
	"r.revision > syncline_accounts.erased ORDER BY r.revision DESC LIMIT 1), 0)"

// List calls each for the owners that a filter lets pass, in order. Its error is that
// of each, or says which step failed.
func List(ctx context.Context, db *storage.DB, filter Filter, each func(Account) error) error {
	query := entsql.Dialect(db.Dialect).
		Select(account.FieldID, account.FieldHead, account.FieldFloor, account.FieldRecordCount, account.FieldStoredBytes,
			account.FieldTombstones, account.FieldMutationBytes, account.FieldQuotaRecords, account.FieldQuotaBytes, account.FieldCreatedAt).
		AppendSelectExprAs(entsql.Raw(newest), "written").
		From(entsql.Table(account.Table)).
		Where(entsql.Or(entsql.GT(account.FieldCreatedAt, 0), entsql.GT(account.FieldHead, 0), entsql.GT(account.FieldFenceToken, 0))).
		Where(entsql.And(entsql.GTE(account.FieldStoredBytes, filter.MinBytes), entsql.GTE(account.FieldRecordCount, filter.MinRecords)))
	if filter.only != nil {
		query.Where(entsql.EQ(account.FieldID, filter.only[:]))
	}
	switch filter.Order {
	case ByBytes:
		query.OrderBy(entsql.Desc(account.FieldStoredBytes))
	case ByRecords:
		query.OrderBy(entsql.Desc(account.FieldRecordCount))
	case ByWritten:
		query.OrderExpr(entsql.Raw("written DESC"))
	case ByOwner:
	}
	query.OrderBy(account.FieldID)
	text, args := query.Query()
	rows, err := db.Read.QueryContext(ctx, text, args...)
	if err != nil {
		return fmt.Errorf("list owners: %w", err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells what went wrong
	if err := listed(rows, filter, each); !errors.Is(err, errEnough) {
		return err
	}
	return nil
}

func listed(rows *sql.Rows, filter Filter, each func(Account) error) error {
	for n := 0; rows.Next(); {
		var (
			a                Account
			owner            []byte
			created, written int64
		)
		err := rows.Scan(&owner, &a.Head, &a.Floor, &a.Records, &a.Bytes, &a.Tombstones, &a.MutationBytes, &a.Quota.Records, &a.Quota.Bytes, &created, &written)
		if err != nil {
			return fmt.Errorf("list owners: %w", err)
		}
		copy(a.Owner[:], owner)
		if created > 0 {
			a.Created = time.UnixMicro(created).UTC()
		}
		if written > 0 {
			a.Written = time.UnixMicro(written).UTC()
		}
		if !filter.WrittenBefore.IsZero() && !a.Written.Before(filter.WrittenBefore) {
			continue
		}
		if err := each(a); err != nil {
			return err
		}
		if n++; n == filter.Most {
			return errEnough
		}
	}
	return rows.Err()
}
