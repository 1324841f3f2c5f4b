package graph

import (
	"syncline/graph/model"
	"syncline/locks"
	"syncline/record"
)

func toSetLockPayload(grant locks.Grant) *model.SetLockPayload {
	if grant.Ended {
		return &model.SetLockPayload{Status: model.SetLockStatusReleased, Lock: *toLock(grant.Lock)}
	}
	if !grant.Acquired {
		return &model.SetLockPayload{Status: model.SetLockStatusHeld, Lock: *toLock(grant.Lock)}
	}
	return &model.SetLockPayload{
		Status:    model.SetLockStatusAcquired,
		Renewed:   grant.Renewed,
		Token:     new(record.FenceToken(grant.Token)),
		ExpiresAt: &grant.ExpiresAt,
		Lock:      *toLock(grant.Lock),
	}
}

func toLock(lock locks.Lock) *model.Lock {
	holders := make([]model.LockHolder, len(lock.Holders))
	for i, h := range lock.Holders {
		holders[i] = model.LockHolder{
			InstanceID: h.InstanceID,
			Token:      record.FenceToken(h.Token),
			ExpiresAt:  h.ExpiresAt,
		}
	}
	return &model.Lock{Name: lock.Name, Locked: lock.Locked(), Exclusive: lock.Exclusive, Holders: holders}
}
