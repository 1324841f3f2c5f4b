package graph

import (
	"context"
	"errors"
	"strconv"
	"time"

	"syncline/graph/model"
	"syncline/graph/object"
	"syncline/locks"
	"syncline/record"
)

func (m mutation) SetRecord(ctx context.Context, input model.SetRecordInput) (*object.WriteRecordPayload, error) {
	return m.writeOne(ctx, record.Request{
		Kind: record.KindSet,
		Writes: []record.Write{{
			ID:            input.ID,
			Data:          input.Data,
			Revision:      input.Revision,
			SchemaVersion: input.SchemaVersion,
		}},
		ClientID:   input.ClientID,
		MutationID: input.MutationID,
		Fence:      fromFence(input.Fence),
	})
}

func (m mutation) DeleteRecord(ctx context.Context, input model.DeleteRecordInput) (*object.WriteRecordPayload, error) {
	return m.writeOne(ctx, record.Request{
		Kind:       record.KindDelete,
		Writes:     []record.Write{{ID: input.ID, Delete: true, Revision: input.Revision}},
		ClientID:   input.ClientID,
		MutationID: input.MutationID,
		Fence:      fromFence(input.Fence),
	})
}

func (m mutation) WriteRecords(ctx context.Context, input model.WriteRecordsInput) (*object.WriteRecordsPayload, error) {
	writes, err := fromWrites(input.Writes)
	if err != nil {
		return nil, inInput(err)
	}
	result, err := m.write(ctx, record.Request{
		Kind:       record.KindBatch,
		Writes:     writes,
		ClientID:   input.ClientID,
		MutationID: input.MutationID,
		Fence:      fromFence(input.Fence),
	})
	if err != nil {
		return nil, err
	}
	return object.NewWriteRecordsPayload(result), nil
}

func (m mutation) writeOne(ctx context.Context, request record.Request) (*object.WriteRecordPayload, error) {
	result, err := m.write(ctx, request)
	if err != nil {
		return nil, err
	}
	return new(object.NewWriteRecordPayload(&result.Results[0], result.Replayed)), nil
}

func (m mutation) write(ctx context.Context, request record.Request) (record.Result, error) {
	owner, err := ownerOf(ctx)
	if err != nil {
		return record.Result{}, err
	}
	// A write that was made is answered whole, so that nobody takes it for one
	// that failed; those after it in the document are not made.
	claim, size := claimData(ctx, min(len(request.Writes), record.MaxBatch)), 0
	defer func() { claim.release(size) }()
	if claim.left <= 0 {
		return record.Result{}, tooMuchData()
	}
	result, err := m.records.Write(ctx, owner, request)
	for _, r := range result.Results {
		if r.Record != nil {
			size += len(r.Record.Data)
		}
	}
	return result, inInput(err)
}

func (m mutation) SetLock(ctx context.Context, input model.SetLockInput) (*model.SetLockPayload, error) {
	owner, err := ownerOf(ctx)
	if err != nil {
		return nil, err
	}
	if !input.Acquire {
		lock, err := m.locks.Release(ctx, owner, input.Name, input.InstanceID)
		if err != nil {
			return nil, inInput(err)
		}
		return &model.SetLockPayload{Status: model.SetLockStatusReleased, Lock: *object.NewLock(lock)}, nil
	}
	request := locks.Request{
		Name:       input.Name,
		InstanceID: input.InstanceID,
		Exclusive:  input.Exclusive,
		TTL:        time.Duration(input.TTLSeconds) * time.Second,
	}
	if input.Token != nil {
		if request.Renews = locks.Token(*input.Token); request.Renews < 1 {
			return nil, inInput(&record.InvalidError{Field: "token", Reason: "tokens begin at 1"})
		}
	}
	grant, err := m.locks.Acquire(ctx, owner, request)
	if err != nil {
		return nil, inInput(err)
	}
	return toSetLockPayload(grant), nil
}

func (m mutation) EraseAccount(ctx context.Context, input model.EraseAccountInput) (*model.EraseAccountPayload, error) {
	owner, err := ownerOf(ctx)
	if err != nil {
		return nil, err
	}
	erasure, names, err := m.records.EraseAccount(ctx, owner, input.Owner, input.MutationID)
	if err != nil {
		return nil, inInput(err)
	}
	if !erasure.Replayed { // a retry ends nothing that was taken since
		m.locks.Forget(ctx, owner, names, locks.Token(erasure.Forgotten))
	}
	return &model.EraseAccountPayload{ErasedRecords: int(erasure.Records), Cursor: erasure.Cursor()}, nil
}

func fromFence(fence *model.FenceInput) *record.Fence {
	if fence == nil {
		return nil
	}
	return &record.Fence{Lock: fence.Lock, Token: fence.Token}
}

// fromWrites also checks @oneOf, which gqlgen does for literals only.
func fromWrites(inputs []model.RecordWrite) ([]record.Write, error) {
	writes := make([]record.Write, len(inputs))
	for i, in := range inputs {
		set, del := in.Set.Value(), in.Delete.Value()
		switch {
		case in.Set.IsSet() == in.Delete.IsSet(), set == nil && del == nil:
			return nil, &record.InvalidError{
				Field:  "writes." + strconv.Itoa(i),
				Reason: "must have exactly one of set and delete, and not null",
			}
		case set != nil:
			writes[i] = record.Write{ID: set.ID, Data: set.Data, Revision: set.Revision, SchemaVersion: set.SchemaVersion}
		default:
			writes[i] = record.Write{ID: del.ID, Delete: true, Revision: del.Revision}
		}
	}
	return writes, nil
}

// inInput makes the field of an error begin at the mutation's argument.
func inInput(err error) error {
	invalid, ok := errors.AsType[*record.InvalidError](err)
	if !ok {
		return err
	}
	return &record.InvalidError{Field: "input." + invalid.Field, Reason: invalid.Reason}
}
