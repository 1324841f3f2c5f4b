package records

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"syncline/record"
	"syncline/storage/commit"
	"syncline/storage/row"
)

// Write implements record.Store. Past a number or a size of writes that wait, it
// answers an *UnavailableError at once.
func (s *Store) Write(ctx context.Context, owner record.Owner, request record.Request) (record.Result, error) {
	return s.submit(ctx, owner, request)()
}

func (s *Store) submit(ctx context.Context, owner record.Owner, request record.Request) (wait func() (record.Result, error)) {
	w := &write{owner: owner, request: request, now: s.now}
	done := s.engine.Submit(ctx, w)
	return func() (record.Result, error) {
		err := done()
		if w.exceeds && s.tracesExceed != nil {
			s.tracesExceed(owner)
		}
		if err != nil {
			return record.Result{}, unavailable(err)
		}
		return w.result, nil
	}
}

// write is a request as a unit of work.
type write struct {
	owner   record.Owner
	request record.Request
	now     func() time.Time
	result  record.Result
	exceeds bool // the owner has left too much, so much maybe that this was refused
}

// Plan implements commit.Unit.
func (w *write) Plan() commit.Plan {
	plan := commit.Plan{Owner: w.owner, Rows: len(w.request.Writes)}
	plan.Reads = append(make([]commit.Key, 0, 4), row.PresentEpoch, row.AccountOf(w.owner))
	for _, write := range w.request.Writes {
		plan.Reads = append(plan.Reads, w.key(row.Records, write.ID))
		plan.Bytes += len(write.Data)
	}
	if id := w.request.MutationID; id != nil {
		plan.Reads = append(plan.Reads, w.key(row.Mutations, *id))
	}
	if fence := w.request.Fence; fence != nil {
		plan.Reads = append(plan.Reads, w.key(row.Fences, fence.Lock))
	}
	return plan
}

func (w *write) key(table commit.Table, id string) commit.Key {
	return commit.Key{Table: table, Owner: w.owner, ID: id}
}

// Judge implements commit.Unit: record.Judge decides.
func (w *write) Judge(rows *commit.Rows) error {
	epoch := rows.Get(row.PresentEpoch).(row.Epoch)
	account, _ := rows.Get(row.AccountOf(w.owner)).(row.Account)
	state := stateOf(epoch, account)
	for _, write := range w.request.Writes {
		stored, ok := rows.Get(w.key(row.Records, write.ID)).(*record.Stored)
		if !ok || !account.Shows(stored) {
			continue
		}
		if state.Records == nil { // of most writes, there is none
			state.Records = make(map[string]record.Stored, len(w.request.Writes))
		}
		state.Records[write.ID] = *stored
	}
	if id := w.request.MutationID; id != nil {
		if m, ok := rows.Get(w.key(row.Mutations, *id)).(*row.Mutation); ok && account.Knows(m) {
			var err error
			if state.Mutation, err = decodeMutation(m); err != nil {
				return err
			}
		}
	}
	if fence := w.request.Fence; fence != nil {
		newest, _ := rows.Get(w.key(row.Fences, fence.Lock)).(row.Fence)
		state.Fence = record.FenceToken(newest.Token)
	}

	now := w.now()
	verdict, err := record.Judge(state, w.request, now)
	w.exceeds = w.request.Quota.Of(verdict.Account).Traces().Exceeded(verdict.Account)
	if err != nil {
		return err
	}
	w.result = verdict.Result
	for _, r := range verdict.Changed {
		rows.Put(w.key(row.Records, r.ID), &record.Stored{Record: r, DataBytes: int64(len(r.Data))})
	}
	if m := verdict.Mutation; m != nil {
		encoded := encodeMutation(m, verdict.Account.Head, now)
		verdict.Account.MutationBytes += encoded.Size(*w.request.MutationID)
		rows.Put(w.key(row.Mutations, *w.request.MutationID), encoded)
	}
	if len(verdict.Changed) > 0 || verdict.Mutation != nil {
		if account.Head == 0 && account.CreatedAt == 0 {
			account.CreatedAt = now.UnixMicro()
		}
		account.Head = int64(verdict.Account.Head)
		account.RecordCount, account.StoredBytes = verdict.Account.RecordCount, verdict.Account.StoredBytes
		account.Tombstones, account.MutationBytes = verdict.Account.Tombstones, verdict.Account.MutationBytes
		rows.Put(row.AccountOf(w.owner), account)
	}
	if w.result.Replayed {
		// The write may be in the database and not yet on the replica: the primary
		// crashed before the first answer.
		rows.Confirm()
	}
	// The data of records that conflicts and replays show was not read yet.
	for _, r := range w.result.Results {
		if r.Record != nil && !r.Record.Deleted && r.Record.Data == nil {
			rows.Load(w.key(row.Data, r.Record.ID), func(value any) {
				if r.Record.Data, _ = value.([]byte); r.Record.Data == nil {
					r.Record.Data = []byte{} // empty data is not missing
				}
			})
		}
	}
	return nil
}

// stateOf is what a request is judged by, without what it touches.
func stateOf(epoch row.Epoch, account row.Account) record.State {
	return record.State{
		Account: record.Account{
			Head: record.Revision(account.Head), Floor: record.Revision(account.Floor), Erased: record.Revision(account.Erased),
			Epoch: epoch.Name, RecordCount: account.RecordCount, StoredBytes: account.StoredBytes,
			Exists: account.Exists(), Tombstones: account.Tombstones, MutationBytes: account.MutationBytes,
			Own: record.Quota{Records: account.QuotaRecords, Bytes: account.QuotaBytes},
		},
		Base:      record.Revision(epoch.Base),
		Forgotten: record.FenceToken(account.Forgotten),
	}
}

func encodeMutation(m *record.Mutation, head record.Revision, now time.Time) *row.Mutation {
	encoded := &row.Mutation{Digest: m.Digest[:], Head: int64(head), AppliedAt: now.UnixMicro()}
	for _, r := range m.Revisions {
		encoded.Revisions = binary.AppendUvarint(encoded.Revisions, uint64(r))
	}
	return encoded
}

func decodeMutation(m *row.Mutation) (*record.Mutation, error) {
	if len(m.Digest) != len(record.Digest{}) {
		return nil, errors.New("records: a stored digest is damaged")
	}
	decoded := &record.Mutation{Digest: record.Digest(m.Digest)}
	for b := m.Revisions; len(b) > 0; {
		n, size := binary.Uvarint(b)
		if size <= 0 {
			return nil, errors.New("records: stored revisions are damaged")
		}
		decoded.Revisions = append(decoded.Revisions, record.Revision(n))
		b = b[size:]
	}
	return decoded, nil
}
