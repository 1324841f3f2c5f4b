package records

import (
	"context"
	"fmt"
	"time"

	entlock "syncline/ent/lock"
	"syncline/record"
	"syncline/storage/commit"
	"syncline/storage/row"
)

// Erase implements record.Store. Rows of records and mutation ids stay until
// retention removes them; reads and writes pass them over.
func (s *Store) Erase(ctx context.Context, owner record.Owner, mutationID *string) (record.Erasure, []string, error) {
	var locks []string
	err := s.reading(ctx, func(ctx context.Context) (err error) {
		locks, err = s.read.Lock.Query().Where(entlock.Owner(owner[:])).Select(entlock.FieldID).Strings(ctx)
		return err
	})
	if err != nil {
		return record.Erasure{}, nil, fmt.Errorf("erase: list locks: %w", err)
	}
	e := &erase{owner: owner, mutationID: mutationID, now: s.now}
	if err := s.engine.Do(ctx, e); err != nil {
		return record.Erasure{}, nil, fmt.Errorf("erase: %w", notCarriedOut(ctx, err))
	}
	return e.result, locks, nil
}

// erase is a unit of work.
type erase struct {
	owner      record.Owner
	mutationID *string
	now        func() time.Time
	result     record.Erasure
}

// Plan implements commit.Unit. It has a transaction of its own, for nothing in it
// may have read what is deleted without being read.
func (e *erase) Plan() commit.Plan {
	plan := commit.Plan{Owner: e.owner, Reads: append([]commit.Key{row.PresentEpoch, row.AccountOf(e.owner), row.ErasureOf(e.owner)}, e.whole()...), Rows: commit.MaxRows}
	if e.mutationID != nil {
		plan.Reads = append(plan.Reads, e.mutation())
	}
	return plan
}

// whole are the tables of which all goes at once.
func (e *erase) whole() []commit.Key {
	return []commit.Key{
		{Table: row.AllFences, Owner: e.owner},
		{Table: row.AllHolders, Owner: e.owner},
		{Table: row.RestoredHeads, Owner: e.owner},
	}
}

func (e *erase) mutation() commit.Key {
	return commit.Key{Table: row.Mutations, Owner: e.owner, ID: *e.mutationID}
}

// Judge implements commit.Unit: record.JudgeErasure decides.
func (e *erase) Judge(rows *commit.Rows) error {
	epoch := rows.Get(row.PresentEpoch).(row.Epoch)
	account, _ := rows.Get(row.AccountOf(e.owner)).(row.Account)
	state := stateOf(epoch, account)
	state.Forgotten = record.FenceToken(account.FenceToken)
	if e.mutationID != nil {
		if m, ok := rows.Get(e.mutation()).(*row.Mutation); ok && account.Knows(m) {
			var err error
			if state.Mutation, err = decodeMutation(m); err != nil {
				return err
			}
		}
	}
	result, left, mutation, err := record.JudgeErasure(state, e.mutationID)
	if err != nil {
		return err
	}
	e.result = result
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
		encoded := encodeMutation(mutation, left.Head, e.now())
		account.MutationBytes = encoded.Size(*e.mutationID)
		rows.Put(e.mutation(), encoded)
	}
	rows.Put(row.AccountOf(e.owner), account)
	rows.Put(row.ErasureOf(e.owner), account.Erased)
	for _, key := range e.whole() {
		rows.Put(key, nil)
	}
	return nil
}
