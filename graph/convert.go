package graph

import (
	"syncline/feed"
	"syncline/graph/model"
	"syncline/locks"
	"syncline/record"
)

func toRecord(r *record.Record) *model.Record {
	if r == nil {
		return nil
	}
	to := &model.Record{
		ID:            r.ID,
		Data:          r.Data,
		Revision:      r.Revision,
		SchemaVersion: r.SchemaVersion,
		Deleted:       r.Deleted,
		UpdatedAt:     r.UpdatedAt,
	}
	switch {
	case r.Deleted:
		to.Data = nil
	case r.Data == nil: // null is for tombstones
		to.Data = []byte{}
	}
	if r.ClientID != "" {
		to.ClientID = &r.ClientID
	}
	return to
}

func toChangePage(page record.Page) *model.ChangePage {
	records := make([]model.Record, len(page.Records))
	for i := range page.Records {
		records[i] = *toRecord(&page.Records[i])
	}
	return &model.ChangePage{Records: records, Cursor: page.Cursor, HasMore: page.HasMore, Head: page.Head}
}

func toRecordChange(event feed.Event) *model.RecordChange {
	kind := model.RecordChangeKindChanged
	if event.Kind == feed.CaughtUp {
		kind = model.RecordChangeKindCaughtUp
	}
	return &model.RecordChange{Kind: kind, Record: toRecord(event.Record), Cursor: event.Cursor}
}

var statuses = map[record.Status]model.WriteStatus{
	record.Success:  model.WriteStatusSuccess,
	record.Conflict: model.WriteStatusConflict,
	record.Skipped:  model.WriteStatusSkipped,
}

func toWriteRecordPayload(result record.WriteResult, replayed bool) model.WriteRecordPayload {
	payload := model.WriteRecordPayload{
		Status:   statuses[result.Status],
		Record:   toRecord(result.Record),
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
