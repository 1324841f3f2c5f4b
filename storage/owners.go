package storage

import (
	"context"
	"fmt"
	"time"

	"syncline/ent/account"
	"syncline/record"
)

// CreateOwner makes an account for an owner who never wrote, so that he may also
// where new owners may not. An account that exists stays as it is.
func (db *DB) CreateOwner(ctx context.Context, owner record.Owner, now time.Time) error {
	err := db.Write.Account.Create().SetID(owner[:]).OnConflictColumns(account.FieldID).Ignore().Exec(ctx)
	if err == nil { // a row may be there, or have come, only to be locked
		err = db.Write.Account.Update().
			Where(account.ID(owner[:]), account.CreatedAt(0), account.Head(0), account.FenceToken(0)).
			SetCreatedAt(now.UnixMicro()).Exec(ctx)
	}
	if err != nil {
		return fmt.Errorf("create the account of an owner: %w", err)
	}
	return nil
}

// SetQuota gives an owner a quota of its own: of each part, 0 stands for the
// server's, and record.Unbounded for none. It tells whether there is such an owner.
// Servers that are running go by it from the owner's next write on.
func (db *DB) SetQuota(ctx context.Context, owner record.Owner, own record.Quota) (found bool, err error) {
	n, err := db.Write.Account.Update().Where(account.ID(owner[:])).
		SetQuotaRecords(own.Records).SetQuotaBytes(own.Bytes).Save(ctx)
	if err != nil {
		return false, fmt.Errorf("set the quota of an owner: %w", err)
	}
	return n > 0, nil
}
