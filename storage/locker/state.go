package locker

import (
	"cmp"
	"slices"
	"time"

	"syncline/ent"
	"syncline/locks"
)

// The functions here turn rows into the state of a lock and change that state.

func toLock(name string, rows []*ent.LockHolder, now time.Time) locks.Lock {
	lock := locks.Lock{Name: name, ReadAt: now}
	for _, row := range rows {
		lock.Exclusive = lock.Exclusive || row.Exclusive
		lock.Holders = append(lock.Holders, locks.Holder{
			InstanceID: row.ID,
			Token:      locks.Token(row.Token),
			ExpiresAt:  time.UnixMicro(row.ExpiresAt).UTC(),
		})
	}
	sortHolders(lock.Holders)
	return lock
}

// withoutFenced drops holds whose writes are refused already, because something
// else that kept this lock granted it anew since: to keep such a token alive
// would help nobody.
func withoutFenced(lock locks.Lock, fence locks.Token) locks.Lock {
	lock.Holders = slices.DeleteFunc(lock.Holders, func(h locks.Holder) bool { return h.Token < fence })
	lock.Exclusive = lock.Exclusive && lock.Locked()
	return lock
}

// withHold adds a hold, or replaces that of the same instance.
func withHold(lock locks.Lock, hold locks.Holder, exclusive bool) locks.Lock {
	lock.Holders = slices.DeleteFunc(lock.Holders, func(h locks.Holder) bool { return h.InstanceID == hold.InstanceID })
	lock.Holders = append(lock.Holders, hold)
	lock.Exclusive = exclusive
	sortHolders(lock.Holders)
	return lock
}

func holds(lock locks.Lock, instanceID string) bool {
	return slices.ContainsFunc(lock.Holders, func(h locks.Holder) bool { return h.InstanceID == instanceID })
}

func sortHolders(holders []locks.Holder) {
	slices.SortFunc(holders, func(a, b locks.Holder) int { return cmp.Compare(a.InstanceID, b.InstanceID) })
}
