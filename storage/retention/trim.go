package retention

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"syncline/ent"
	"syncline/ent/account"
	"syncline/ent/appliedmutation"
	"syncline/record"
)

// exceeding are owners of whom somebody told that they left too much.
type exceeding struct {
	wake chan struct{} // holds one wake-up

	mu     sync.Mutex
	owners map[record.Owner]struct{}
}

// TracesExceed has Run look at an owner soon, who may have left more than he may. It
// does not wait for anything.
func (s *Sweeper) TracesExceed(owner record.Owner) {
	e := &s.exceeding
	e.mu.Lock()
	e.owners[owner] = struct{}{}
	e.mu.Unlock()
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

func (e *exceeding) take() []record.Owner {
	e.mu.Lock()
	defer e.mu.Unlock()
	owners := make([]record.Owner, 0, len(e.owners))
	for owner := range e.owners {
		owners = append(owners, owner)
	}
	clear(e.owners)
	return owners
}

// trimAll trims owners of whom nobody told, or whose bound was lowered: those who left
// more than anybody may be too little to.
func (s *Sweeper) trimAll(ctx context.Context) (swept Swept, err error) {
	quota := record.Quota{Records: 1, Bytes: 1}
	least, leastLocks := quota.Traces(), quota.LockRows()
	last := []byte{}
	for {
		page, failed := s.read.Account.Query().
			Where(account.IDGT(last), account.Or(account.TombstonesGT(least.Tombstones), account.MutationBytesGT(least.MutationBytes),
				account.FencesGT(leastLocks/2), account.HoldersGT(leastLocks/2))).
			Order(ent.Asc(account.FieldID)).Limit(pageRows).All(ctx)
		if failed != nil {
			return swept, errors.Join(err, fmt.Errorf("look for owners who left too much: %w", failed))
		}
		for _, a := range page {
			trimmed, failed := s.trimAccount(ctx, a)
			swept.add(trimmed)
			err = errors.Join(err, failed)
			last = a.ID
		}
		if len(page) < pageRows || ctx.Err() != nil {
			return swept, err
		}
	}
}

// trim purges the oldest traces of an owner who left too many, down to three quarters
// of the bound.
func (s *Sweeper) trim(ctx context.Context, owner record.Owner) (Swept, error) {
	a, err := s.read.Account.Get(ctx, owner[:])
	if ent.IsNotFound(err) {
		return Swept{}, nil
	}
	if err != nil {
		return Swept{}, fmt.Errorf("look at what an owner left: %w", err)
	}
	return s.trimAccount(ctx, a)
}

func (s *Sweeper) trimAccount(ctx context.Context, a *ent.Account) (swept Swept, err error) {
	own := record.Account{Own: record.Quota{Records: a.QuotaRecords, Bytes: a.QuotaBytes}}
	quota := s.config.Quota.Of(own)
	most := quota.Traces()
	if most.Tombstones > 0 && a.Tombstones > most.Tombstones {
		of := span{owner: a.ID, before: time.UnixMicro(math.MaxInt64), target: most.Tombstones * 3 / 4}
		if swept.Tombstones, err = s.purgeTombstones(ctx, of); err != nil {
			err = fmt.Errorf("purge tombstones of an owner who left too many: %w", err)
		}
	}
	if most.MutationBytes > 0 && a.MutationBytes > most.MutationBytes {
		purge := float64(a.MutationBytes-most.MutationBytes*3/4) / float64(a.MutationBytes)
		var failed error
		if swept.Mutations, failed = s.purgeOldestMutations(ctx, a.ID, purge, most.MutationBytes*3/4); failed != nil {
			err = errors.Join(err, fmt.Errorf("purge mutation ids of an owner who left too many: %w", failed))
		}
	}
	if most := quota.LockRows(); most > 0 && a.Fences+a.Holders > most {
		trimmed, failed := s.trimLocks(ctx, record.Owner(a.ID), most)
		swept.add(trimmed)
		err = errors.Join(err, failed)
	}
	return swept, err
}

// purgeOldestMutations purges a part of an owner's mutation ids, while there are more
// bytes of them than the target. They have no index by
// age: all are looked at to find when the last of the part was applied, which a quarter
// of the bound pays for.
func (s *Sweeper) purgeOldestMutations(ctx context.Context, owner []byte, part float64, target int64) (purged int, err error) {
	all := s.read.AppliedMutation.Query().Where(appliedmutation.Owner(owner))
	n, err := all.Clone().Count(ctx)
	if err != nil || n == 0 {
		return 0, err
	}
	nth := min(int(math.Ceil(float64(n)*part)), n)
	times, err := all.Order(ent.Asc(appliedmutation.FieldAppliedAt)).Offset(nth - 1).Limit(1).
		Select(appliedmutation.FieldAppliedAt).All(ctx)
	if err != nil || len(times) == 0 {
		return 0, err
	}
	return s.purgeMutations(ctx, span{owner: owner, before: time.UnixMicro(times[0].AppliedAt + 1), target: target})
}
