package graph

import (
	"context"
	"time"

	"syncline/auth"
	"syncline/graph/model"
	"syncline/graph/object"
	"syncline/record"
)

// MaxRequestBytes bounds a request's body and a WebSocket message.
const MaxRequestBytes = 1 << 20

func (q query) Changes(ctx context.Context, since *record.Cursor, first int) (*object.ChangePage, error) {
	owner, err := ownerOf(ctx)
	if err != nil {
		return nil, err
	}
	var from record.Cursor
	if since != nil {
		from = *since
	}
	claim, size := claimData(ctx, min(first, record.MaxPage)), 0
	defer func() { claim.release(size) }()
	most := claim.left
	if page, ok := pageOf(ctx); ok {
		most = min(most, page.bytes)
		if first <= record.MaxPage { // more is refused
			first = min(first, page.records)
		}
	}
	page, err := q.records.ChangesWithin(ctx, owner, from, first, max(most, 1)) // one record in any case
	if err != nil {
		return nil, err
	}
	for i := range page.Records {
		size += len(page.Records[i].Data)
	}
	return object.NewChangePage(page), nil
}

func (q query) Record(ctx context.Context, id string) (*object.Record, error) {
	owner, err := ownerOf(ctx)
	if err != nil {
		return nil, err
	}
	claim, size := claimData(ctx, 1), 0
	defer func() { claim.release(size) }()
	r, err := q.records.Record(ctx, owner, id)
	if r == nil || err != nil {
		return nil, err
	}
	if len(r.Data) > claim.left {
		return nil, tooMuchData()
	}
	size = len(r.Data)
	return (*object.Record)(r), nil
}

func (q query) Records(ctx context.Context, ids []string) ([]*object.Record, error) {
	owner, err := ownerOf(ctx)
	if err != nil {
		return nil, err
	}
	claim, size := claimData(ctx, min(len(ids), record.MaxBatch)), 0
	defer func() { claim.release(size) }()
	found, err := q.records.Records(ctx, owner, ids)
	if err != nil {
		return nil, err
	}
	records := make([]*object.Record, len(found))
	for i, r := range found {
		records[i] = (*object.Record)(r)
		if r != nil {
			size += len(r.Data)
		}
	}
	if size > claim.left {
		size = 0
		return nil, tooMuchData()
	}
	return records, nil
}

func (q query) Lock(ctx context.Context, name string) (*object.Lock, error) {
	owner, err := ownerOf(ctx)
	if err != nil {
		return nil, err
	}
	lock, err := q.locks.Read(ctx, owner, name)
	if err != nil {
		return nil, err
	}
	return object.NewLock(lock), nil
}

func (q query) Viewer(ctx context.Context) (*model.Viewer, error) {
	owner, err := ownerOf(ctx)
	if err != nil {
		return nil, err
	}
	account, err := q.records.Account(ctx, owner)
	if err != nil {
		return nil, err
	}
	quota := q.quota.Of(account)
	return &model.Viewer{
		ID:          owner.String(),
		Head:        account.Head,
		Cursor:      record.CursorAt(account.Epoch, account.Head),
		RecordCount: int(account.RecordCount),
		StoredBytes: account.StoredBytes,

		MaxRecords:     bound(int(quota.Records)),
		MaxStoredBytes: bound(quota.Bytes),
	}, nil
}

func (q query) Limits(context.Context) (*model.Limits, error) {
	limits := q.limits
	limits.ServerTime = q.now()
	return &limits, nil
}

// limits are those that stay as they are while the server runs.
func (c Config) limits() model.Limits {
	return model.Limits{
		MaxRecordBytes:       record.MaxDataBytes,
		MaxBatch:             record.MaxBatch,
		MaxPage:              record.MaxPage,
		MaxPageBytes:         record.MaxPageBytes,
		MaxRequestBytes:      MaxRequestBytes,
		RequestWindowSeconds: int(auth.MaxAge / time.Second),
		Rates:                c.Rates,

		MaxRecords:                bound(int(c.Quota.Records)),
		MaxStoredBytes:            bound(c.Quota.Bytes),
		TombstoneRetentionSeconds: seconds(c.TombstoneRetention),
		MutationRetentionSeconds:  seconds(c.MutationRetention),
	}
}

// bound is nil, none, for 0.
func bound[N int64 | int](n N) *N {
	if n == 0 {
		return nil
	}
	return &n
}

// seconds is nil, for ever, for 0.
func seconds(d time.Duration) *int {
	if d == 0 {
		return nil
	}
	n := int(d / time.Second)
	return &n
}
