package graph

import (
	"syncline/graph/model"
	"syncline/graph/object"
	"syncline/locks"
	"syncline/record"
)

func toSetLockPayload(grant locks.Grant) *model.SetLockPayload {
	if grant.Ended {
		return &model.SetLockPayload{Status: model.SetLockStatusReleased, Lock: *object.NewLock(grant.Lock)}
	}
	if !grant.Acquired {
		return &model.SetLockPayload{Status: model.SetLockStatusHeld, Lock: *object.NewLock(grant.Lock)}
	}
	return &model.SetLockPayload{
		Status:    model.SetLockStatusAcquired,
		Renewed:   grant.Renewed,
		Token:     new(record.FenceToken(grant.Token)),
		ExpiresAt: &grant.ExpiresAt,
		Lock:      *object.NewLock(grant.Lock),
	}
}
