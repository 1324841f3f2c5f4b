package graph

import (
	"syncline/graph/model"
	"syncline/graph/object"
	"syncline/locks"
	"syncline/record"
)

var statuses = map[record.Status]model.WriteStatus{
	record.Success:  model.WriteStatusSuccess,
	record.Conflict: model.WriteStatusConflict,
	record.Skipped:  model.WriteStatusSkipped,
}

func toWriteRecordPayload(result record.WriteResult, replayed bool) model.WriteRecordPayload {
	payload := model.WriteRecordPayload{
		Status:   statuses[result.Status],
		Record:   (*object.Record)(result.Record),
		Replayed: replayed,
	}
	if result.Status == record.Success {
		payload.NewRevision = &result.NewRevision
	}
	return payload
}

func toWriteRecordsPayload(result record.Result) *model.WriteRecordsPayload {
	results := make([]model.WriteRecordPayload, len(result.Results))
	for i, r := range result.Results {
		results[i] = toWriteRecordPayload(r, result.Replayed)
	}
	return &model.WriteRecordsPayload{Status: statuses[result.Status], Results: results, Replayed: result.Replayed}
}

func toSetLockPayload(grant locks.Grant) *model.SetLockPayload {
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
