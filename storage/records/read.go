package records

import (
	"context"
	"slices"
	"time"

	entsql "entgo.io/ent/dialect/sql"

	"syncline/ent"
	"syncline/ent/account"
	"syncline/ent/epoch"
	"syncline/ent/predicate"
	entrecord "syncline/ent/record"
	"syncline/ent/restoredhead"
	"syncline/record"
	"syncline/storage"
)

// Records implements record.Store.
func (s *Store) Records(ctx context.Context, owner record.Owner, ids []string) (found map[string]record.Record, err error) {
	err = s.reading(ctx, func(ctx context.Context) error {
		rows, err := s.read.Record.Query().Where(entrecord.Owner(owner[:]), notErased(owner), entrecord.IDIn(padded(slices.Clone(ids))...)).All(ctx)
		found = make(map[string]record.Record, len(rows))
		for _, row := range rows {
			found[row.ID] = toRecord(row)
		}
		return err
	})
	return found, err
}

// Account implements record.Store. One statement reads one state of the
// database, without a transaction around it.
func (s *Store) Account(ctx context.Context, owner record.Owner) (record.Account, error) {
	var found record.Account
	err := s.reading(ctx, func(ctx context.Context) (err error) {
		found, err = s.rows.Account(ctx, owner)
		return err
	})
	return found, err
}

// Changes implements record.Store.
func (s *Store) Changes(ctx context.Context, owner record.Owner, span record.Span) (snapshot record.Snapshot, err error) {
	err = s.reading(ctx, func(ctx context.Context) (err error) {
		snapshot, err = s.rows.Changes(ctx, owner, span)
		return err
	})
	if err != nil || span.Epoch == nil || *span.Epoch == snapshot.Epoch {
		return snapshot, err
	}
	snapshot = record.Snapshot{}
	err = s.reading(ctx, func(ctx context.Context) (err error) {
		snapshot.RestoredHead, err = restoredHead(ctx, s.read, owner, *span.Epoch)
		return err
	})
	if err != nil {
		return snapshot, err
	}
	// The account comes after: an erasure in between removes restored heads, and is
	// itself what holds then.
	snapshot.Account, err = s.Account(ctx, owner)
	snapshot.RestoredHead = max(snapshot.RestoredHead, snapshot.Erased)
	return snapshot, err
}

// maxParameters is a number of values that one statement of either database
// takes. It is a power of two, for padded.
const maxParameters = 1 << 14

// Heads implements record.Store. More than maxParameters owners take more than
// one query.
func (s *Store) Heads(ctx context.Context, owners []record.Owner) (map[record.Owner]record.Revision, error) {
	heads := make(map[record.Owner]record.Revision, len(owners))
	for some := range slices.Chunk(owners, maxParameters) {
		err := s.reading(ctx, func(ctx context.Context) error {
			rows, err := s.read.Account.Query().Where(account.IDIn(keysOf(some)...)).Select(account.FieldID, account.FieldHead).All(ctx)
			for _, row := range rows {
				heads[record.Owner(row.ID)] = record.Revision(row.Head)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return heads, nil
}

// keysOf are the keys of owners' accounts for one statement: see padded.
func keysOf(owners []record.Owner) [][]byte {
	keys := make([][]byte, len(owners))
	for i := range owners {
		keys[i] = owners[i][:]
	}
	return padded(keys)
}

// padded repeats the first of some keys until their number is a power of two: each
// number makes a statement of its own, which every connection keeps prepared.
func padded[K any](keys []K) []K {
	for len(keys)&(len(keys)-1) != 0 {
		keys = append(keys, keys[0])
	}
	return keys
}

// notErased holds for an owner's records that were written after the newest erasure.
// Who never wrote has no account and no records.
func notErased(owner record.Owner) predicate.Record {
	return func(s *entsql.Selector) {
		erased := entsql.Dialect(s.Dialect()).Select(account.FieldErased).From(entsql.Table(account.Table)).Where(entsql.EQ(account.FieldID, owner[:]))
		s.Where(entsql.GT(s.C(entrecord.FieldRevision), erased))
	}
}

// restoredHead is the owner's head at the first restore after an epoch. One
// that this history does not know is that of the database from which the owner was
// imported, or was cut off by some restore: the first one had the lowest head, which
// never claims too much.
func restoredHead(ctx context.Context, read *ent.Client, owner record.Owner, after record.Epoch) (record.Revision, error) {
	var candidates []int
	number, err := read.Epoch.Query().Where(epoch.Epoch(after[:])).OnlyID(ctx)
	switch {
	case ent.IsNotFound(err):
		candidates = []int{storage.ImportedHead, 2}
	case err != nil:
		return 0, err
	default:
		candidates = []int{number + 1}
	}
	row, err := read.RestoredHead.Query().
		Where(restoredhead.Owner(owner[:]), restoredhead.IDIn(candidates...)).
		Order(restoredhead.ByID()).First(ctx)
	if ent.IsNotFound(err) {
		return 0, nil // the owner had written nothing
	}
	if err != nil {
		return 0, err
	}
	return record.Revision(row.Head), nil
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
