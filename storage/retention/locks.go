package retention

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"syncline/ent"
	entlock "syncline/ent/lock"
	"syncline/ent/lockholder"
	"syncline/locks"
	"syncline/record"
	"syncline/storage/row"
)

// notHeld is how long after its last noted use nobody holds a lock any more, whatever
// keeps the holds: each of them was renewed since, or has ended.
const notHeld = row.FenceUse + 2*locks.MaxTTL

// purgeHolds deletes holds that have ended and that nobody asked for again: of one
// owner or, without, of all.
func (s *Sweeper) purgeHolds(ctx context.Context, of []byte) (purged int, err error) {
	owner, name := []byte{}, "" // where the walk is
	var firstFailed error
	for {
		query := s.read.LockHolder.Query().
			Where(lockholder.ExpiresAtLT(s.now().UnixMicro()), after(lockholder.FieldLock, owner, name)).
			Order(ent.Asc(lockholder.FieldOwner, lockholder.FieldLock)).
			Limit(pageRows)
		if of != nil {
			query = query.Where(lockholder.Owner(of))
		}
		page, err := query.Select(lockholder.FieldOwner, lockholder.FieldLock).All(ctx)
		if err != nil {
			return purged, errors.Join(firstFailed, err)
		}
		var units []*purge
		for i, h := range page {
			if owner, name = h.Owner, h.Lock; i > 0 && name == page[i-1].Lock && string(owner) == string(page[i-1].Owner) {
				units[len(units)-1].rows++ // of the same lock
				continue
			}
			add(&units, row.Holds, owner, name).now = s.now
		}
		n, goOn, failed := s.carryOut(ctx, units)
		purged += n
		firstFailed = cmp.Or(firstFailed, failed)
		if !goOn || len(page) < pageRows {
			return purged, firstFailed
		}
	}
}

// purgeFences deletes the fences of locks that nobody has used for a time.
func (s *Sweeper) purgeFences(ctx context.Context, unused time.Duration) (purged int, err error) {
	owner, name := []byte{}, "" // where the walk is
	var firstFailed error
	for {
		page, err := s.read.Lock.Query().
			Where(entlock.UsedAtLT(s.now().Add(-unused).UnixMicro()), after(entlock.FieldID, owner, name)).
			Order(ent.Asc(entlock.FieldOwner, entlock.FieldID)).
			Limit(pageRows).
			Select(entlock.FieldOwner, entlock.FieldID).All(ctx)
		if err != nil {
			return purged, errors.Join(firstFailed, err)
		}
		var units []*purge
		for _, f := range page {
			owner, name = f.Owner, f.ID
			u := add(&units, row.Fences, owner, name)
			u.unused, u.now = unused, s.now
		}
		n, goOn, failed := s.carryOut(ctx, units)
		purged += n
		firstFailed = cmp.Or(firstFailed, failed)
		if !goOn || len(page) < pageRows {
			return purged, firstFailed
		}
	}
}

// trimLocks purges the ended holds of an owner who has too many rows of locks, and then
// those fences that were not used for the longest time, until so many rows are left.
// Where too many locks are in use for that, the owner is left alone for a while.
func (s *Sweeper) trimLocks(ctx context.Context, owner record.Owner, most int64) (swept Swept, err error) {
	if s.inUse.rests(owner, s.now()) {
		return swept, nil
	}
	var failed error
	if swept.Holds, err = s.purgeHolds(ctx, owner[:]); err != nil {
		err = fmt.Errorf("purge holds of an owner who has too many locks: %w", err)
	}
	if swept.Fences, failed = s.purgeOldestFences(ctx, owner, most*3/4); failed != nil {
		err = errors.Join(err, fmt.Errorf("purge fences of an owner who has too many locks: %w", failed))
	}
	a, failed := s.read.Account.Get(ctx, owner[:])
	if failed != nil {
		return swept, errors.Join(err, fmt.Errorf("look at what an owner has left: %w", failed))
	}
	if a.Fences+a.Holders > most {
		s.inUse.rest(owner, s.now())
	}
	return swept, err
}

func (s *Sweeper) purgeOldestFences(ctx context.Context, owner record.Owner, target int64) (purged int, err error) {
	usedAt, name := int64(-1), "" // where the walk is
	for {
		page, err := s.read.Lock.Query().
			Where(entlock.Owner(owner[:]), entlock.UsedAtLT(s.now().Add(-notHeld).UnixMicro()), entlock.Or(
				entlock.UsedAtGT(usedAt), entlock.And(entlock.UsedAt(usedAt), entlock.IDGT(name)))).
			Order(ent.Asc(entlock.FieldUsedAt, entlock.FieldID)).
			Limit(pageRows).
			Select(entlock.FieldID, entlock.FieldUsedAt).All(ctx)
		if err != nil {
			return purged, err
		}
		var units []*purge
		for _, f := range page {
			usedAt, name = f.UsedAt, f.ID
			u := add(&units, row.Fences, owner[:], name)
			u.unused, u.now, u.target = notHeld, s.now, target
		}
		n, goOn, err := s.carryOut(ctx, units)
		purged += n
		if !goOn || err != nil || len(page) < pageRows {
			return purged, err
		}
	}
}

// inUse are owners of whose locks too many are in use to be purged. To look again at
// each new one would cost more than they do.
type inUse struct {
	mu    sync.Mutex
	until map[record.Owner]time.Time
}

// restTime is how long an owner is left alone.
const restTime = time.Minute

func (u *inUse) rests(owner record.Owner, now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	left := u.until[owner].Sub(now)
	if left <= 0 || left > restTime { // the clock was set back
		delete(u.until, owner)
		return false
	}
	return true
}

func (u *inUse) rest(owner record.Owner, now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	maps.DeleteFunc(u.until, func(_ record.Owner, until time.Time) bool { return !until.After(now) })
	u.until[owner] = now.Add(restTime)
}
