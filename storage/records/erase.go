package records

import (
	"context"
	"fmt"

	entlock "syncline/ent/lock"
	"syncline/record"
	"syncline/storage/commit"
	"syncline/storage/row"
)

// Erase implements record.Store: record.JudgeErasure decides. Rows of records and mutation
// ids stay until retention removes them; reads and writes pass them over.
func (s *Store) Erase(ctx context.Context, owner record.Owner, mutationID *string) (result record.Erasure, locks []string, err error) {
	err = s.reading(ctx, func(ctx context.Context) (err error) {
		locks, err = s.read.Lock.Query().Where(entlock.Owner(owner[:])).Select(entlock.FieldID).Strings(ctx)
		return err
	})
	if err != nil {
		return record.Erasure{}, nil, fmt.Errorf("erase: list locks: %w", err)
	}
	whole := []commit.Key{ // tables of which all goes at once
		{Table: row.AllFences, Owner: owner},
		{Table: row.AllHolders, Owner: owner},
		{Table: row.RestoredHeads, Owner: owner},
	}
	reads := append([]commit.Key{row.PresentEpoch, row.AccountOf(owner), row.ErasureOf(owner)}, whole...)
	remembered := commit.Key{Table: row.Mutations, Owner: owner}
	if mutationID != nil {
		remembered.ID = *mutationID
		reads = append(reads, remembered)
	}
	// It has a transaction of its own, for nothing in it may have read what is deleted
	// without being read.
	plan := commit.Plan{Owner: owner, Reads: reads, Rows: commit.MaxRows}
	err = s.engine.Do(ctx, commit.NewUnit(plan, func(rows *commit.Rows) error {
		epoch := rows.Get(row.PresentEpoch).(row.Epoch)
		account, _ := rows.Get(row.AccountOf(owner)).(row.Account)
		state := stateOf(epoch, account)
		state.Forgotten = record.FenceToken(account.FenceToken)
		if mutationID != nil {
			if m, ok := rows.Get(remembered).(*row.Mutation); ok && account.Knows(m) {
				var err error
				if state.Mutation, err = decodeMutation(m); err != nil {
					return err
				}
			}
		}
		erasure, left, mutation, err := record.JudgeErasure(state, mutationID)
		if err != nil {
			return err
		}
		result = erasure
		switch {
		case result.Replayed:
			rows.Confirm()
			return nil
		case result.Revision == 0: // a stranger, of whom not even an account is to be left
			return nil
		}
		account.Head, account.Floor, account.Erased = int64(left.Head), int64(left.Floor), int64(left.Erased)
		account.RecordCount, account.StoredBytes = left.RecordCount, left.StoredBytes
		account.Tombstones, account.MutationBytes = 0, 0
		account.Fences, account.Holders, account.Forgotten = 0, 0, account.FenceToken
		if mutation != nil {
			encoded := encodeMutation(mutation, left.Head, s.now())
			account.MutationBytes = encoded.Size(*mutationID)
			rows.Put(remembered, encoded)
		}
		rows.Put(row.AccountOf(owner), account)
		rows.Put(row.ErasureOf(owner), account.Erased)
		for _, key := range whole {
			rows.Put(key, nil)
		}
		return nil
	}))
	if err != nil {
		return record.Erasure{}, nil, fmt.Errorf("erase: %w", unavailable(err))
	}
	return result, locks, nil
}
