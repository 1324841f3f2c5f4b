package entstore

import (
	"context"
	"slices"
	"time"

	entsql "entgo.io/ent/dialect/sql"

	"syncline/ent"
	"syncline/ent/account"
	"syncline/ent/epoch"
	entrecord "syncline/ent/record"
	"syncline/ent/restoredhead"
	"syncline/record"
)

// Records implements record.Store.
func (s *Store) Records(ctx context.Context, owner record.Owner, ids []string) (map[string]record.Record, error) {
	var found map[string]record.Record
	err := s.snapshot(ctx, func(ctx context.Context, tx *ent.Tx) (err error) {
		found, err = findRecords(ctx, tx.Record, owner, ids)
		return err
	})
	return found, err
}

// Account implements record.Store.
func (s *Store) Account(ctx context.Context, owner record.Owner) (record.Account, error) {
	var found record.Account
	err := s.snapshot(ctx, func(ctx context.Context, tx *ent.Tx) (err error) {
		found, err = readAccount(ctx, tx, owner)
		return err
	})
	return found, err
}

// maxParameters is a number of values that one statement of either database takes.
const maxParameters = 30_000

// Heads implements record.Store. More than maxParameters owners take more than
// one query.
func (s *Store) Heads(ctx context.Context, owners []record.Owner) (map[record.Owner]record.Revision, error) {
	heads := make(map[record.Owner]record.Revision, len(owners))
	for some := range slices.Chunk(owners, maxParameters) {
		err := s.snapshot(ctx, func(ctx context.Context, tx *ent.Tx) error { return readHeads(ctx, tx, some, heads) })
		if err != nil {
			return nil, err
		}
	}
	return heads, nil
}

func readHeads(ctx context.Context, tx *ent.Tx, owners []record.Owner, heads map[record.Owner]record.Revision) error {
	keys := make([][]byte, len(owners))
	for i := range owners {
		keys[i] = owners[i][:]
	}
	rows, err := tx.Account.Query().
		Where(account.IDIn(keys...)).
		Select(account.FieldID, account.FieldHead).
		All(ctx)
	for _, row := range rows {
		heads[record.Owner(row.ID)] = record.Revision(row.Head)
	}
	return err
}

func findRecords(ctx context.Context, client *ent.RecordClient, owner record.Owner, ids []string) (map[string]record.Record, error) {
	rows, err := client.Query().Where(entrecord.Owner(owner[:]), entrecord.IDIn(ids...)).All(ctx)
	if err != nil {
		return nil, err
	}
	found := make(map[string]record.Record, len(rows))
	for _, row := range rows {
		found[row.ID] = toRecord(row)
	}
	return found, nil
}

// readAccount answers for an owner without a row, who never wrote, too.
func readAccount(ctx context.Context, tx *ent.Tx, owner record.Owner) (record.Account, error) {
	epoch, err := presentEpoch(ctx, tx)
	if err != nil {
		return record.Account{}, err
	}
	row, err := tx.Account.Query().Where(account.ID(owner[:])).Only(ctx)
	if ent.IsNotFound(err) {
		row, err = &ent.Account{}, nil
	}
	if err != nil {
		return record.Account{}, err
	}
	return toAccount(row, epoch), nil
}

func presentEpoch(ctx context.Context, tx *ent.Tx) (*ent.Epoch, error) {
	return tx.Epoch.Query().Order(epoch.ByID(entsql.OrderDesc())).First(ctx)
}

// restoredHead is the owner's head at the first restore after an epoch. One
// that this history does not know was cut off by some restore: the first one
// had the lowest head, which never claims too much.
func restoredHead(ctx context.Context, tx *ent.Tx, owner record.Owner, after record.Epoch) (record.Revision, error) {
	number, err := tx.Epoch.Query().Where(epoch.Epoch(after[:])).OnlyID(ctx)
	if ent.IsNotFound(err) {
		number, err = 1, nil
	}
	if err != nil {
		return 0, err
	}
	row, err := tx.RestoredHead.Query().
		Where(restoredhead.Owner(owner[:]), restoredhead.ID(number+1)).
		Only(ctx)
	if ent.IsNotFound(err) {
		return 0, nil // the owner had written nothing
	}
	if err != nil {
		return 0, err
	}
	return record.Revision(row.Head), nil
}

func toAccount(row *ent.Account, epoch *ent.Epoch) record.Account {
	a := record.Account{
		Head:        record.Revision(row.Head),
		Floor:       record.Revision(row.Floor),
		RecordCount: row.RecordCount,
		StoredBytes: row.StoredBytes,
	}
	copy(a.Epoch[:], epoch.Epoch)
	return a
}

func toRecord(row *ent.Record) record.Record {
	r := record.Record{
		ID:            row.ID,
		Revision:      record.Revision(row.Revision),
		SchemaVersion: row.SchemaVersion,
		Deleted:       row.Deleted,
		ClientID:      row.ClientID,
		UpdatedAt:     time.UnixMicro(row.UpdatedAt).UTC(),
	}
	if !r.Deleted {
		r.Data = []byte{}
		if row.Data != nil {
			r.Data = append(r.Data, *row.Data...)
		}
	}
	return r
}
