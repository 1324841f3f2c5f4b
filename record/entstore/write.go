package entstore

import (
	"context"
	"encoding/binary"
	"errors"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"

	"syncline/ent"
	"syncline/ent/account"
	"syncline/ent/appliedmutation"
	"syncline/ent/lock"
	entrecord "syncline/ent/record"
	"syncline/record"
)

// judge does one request inside a transaction, all but the commit. It changes
// nothing if it returns an error of record.Judge.
func (s *Store) judge(ctx context.Context, tx *ent.Tx, owner record.Owner, request record.Request) (record.Verdict, error) {
	row, err := lockAccount(ctx, tx, owner)
	if err != nil {
		return record.Verdict{}, err
	}
	state, err := s.load(ctx, tx, owner, row, request)
	if err != nil {
		return record.Verdict{}, err
	}
	verdict, err := record.Judge(state, request, s.now())
	if err != nil {
		return record.Verdict{}, err
	}
	if err := addData(ctx, tx, owner, verdict.Result.Results); err != nil {
		return record.Verdict{}, err
	}
	return verdict, persist(ctx, tx, owner, request, verdict)
}

// lockAccount locks the owner's row until the transaction ends and reads it. On
// PostgreSQL the lock is a statement of its own: what a single statement that
// locks and judges would read is from before it waited. On SQLite the
// transaction has the only write lock already.
func lockAccount(ctx context.Context, tx *ent.Tx, owner record.Owner) (*ent.Account, error) {
	query := tx.Account.Query().Where(account.ID(owner[:]), forUpdate)
	row, err := query.Clone().Only(ctx)
	if !ent.IsNotFound(err) {
		return row, err
	}
	err = tx.Account.Create().SetID(owner[:]).OnConflictColumns(account.FieldID).Ignore().Exec(ctx)
	if err != nil {
		return nil, err
	}
	return query.Only(ctx)
}

func forUpdate(s *entsql.Selector) {
	if s.Dialect() == dialect.Postgres {
		s.ForUpdate()
	}
}

// load reads what the request touches.
func (s *Store) load(ctx context.Context, tx *ent.Tx, owner record.Owner, row *ent.Account, request record.Request) (record.State, error) {
	epoch, err := presentEpoch(ctx, tx)
	if err != nil {
		return record.State{}, err
	}
	state := record.State{Account: toAccount(row, epoch), Base: record.Revision(epoch.Base)}
	if state.Mutation, err = loadMutation(ctx, tx, owner, request.MutationID); err != nil {
		return record.State{}, err
	}
	if state.Fence, err = loadFence(ctx, tx, owner, request.Fence); err != nil {
		return record.State{}, err
	}
	ids := make([]string, len(request.Writes))
	for i, w := range request.Writes {
		ids[i] = w.ID
	}
	state.Records, err = s.loadWithoutData(ctx, tx, owner, ids)
	return state, err
}

func loadMutation(ctx context.Context, tx *ent.Tx, owner record.Owner, id *string) (*record.Mutation, error) {
	if id == nil {
		return nil, nil
	}
	row, err := tx.AppliedMutation.Query().
		Where(appliedmutation.Owner(owner[:]), appliedmutation.ID(*id)).
		Only(ctx)
	if ent.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if len(row.Digest) != len(record.Digest{}) {
		return nil, errors.New("entstore: a stored digest is damaged")
	}
	revisions, err := decodeRevisions(row.Revisions)
	return &record.Mutation{Digest: record.Digest(row.Digest), Revisions: revisions}, err
}

func loadFence(ctx context.Context, tx *ent.Tx, owner record.Owner, fence *record.Fence) (record.FenceToken, error) {
	if fence == nil {
		return 0, nil
	}
	row, err := tx.Lock.Query().Where(lock.Owner(owner[:]), lock.ID(fence.Lock)).Only(ctx)
	if ent.IsNotFound(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return record.FenceToken(row.Fence), nil
}

// addData completes the records that a conflict or a replay shows.
func addData(ctx context.Context, tx *ent.Tx, owner record.Owner, results []record.WriteResult) error {
	var ids []string
	for _, r := range results {
		if lacksData(r) {
			ids = append(ids, r.Record.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	found, err := findRecords(ctx, tx.Record, owner, ids)
	if err != nil {
		return err
	}
	for _, r := range results {
		if lacksData(r) {
			*r.Record = found[r.Record.ID]
		}
	}
	return nil
}

func lacksData(r record.WriteResult) bool {
	return r.Record != nil && !r.Record.Deleted && r.Record.Data == nil
}

// persist keeps a verdict.
func persist(ctx context.Context, tx *ent.Tx, owner record.Owner, request record.Request, v record.Verdict) error {
	if v.Mutation != nil {
		if err := keepMutation(ctx, tx, owner, *request.MutationID, v); err != nil {
			return err
		}
	}
	if len(v.Changed) == 0 {
		return nil
	}
	if err := keepRecords(ctx, tx, owner, v.Changed); err != nil {
		return err
	}
	updated, err := tx.Account.Update().
		Where(account.ID(owner[:])).
		SetHead(int64(v.Account.Head)).
		SetRecordCount(v.Account.RecordCount).
		SetStoredBytes(v.Account.StoredBytes).
		Save(ctx)
	if err == nil && updated != 1 {
		err = errors.New("entstore: the account that was locked is gone")
	}
	return err
}

func keepMutation(ctx context.Context, tx *ent.Tx, owner record.Owner, id string, v record.Verdict) error {
	return tx.AppliedMutation.Create().
		SetOwner(owner[:]).
		SetID(id).
		SetDigest(v.Mutation.Digest[:]).
		SetRevisions(encodeRevisions(v.Mutation.Revisions)).
		SetHead(int64(v.Account.Head)).
		Exec(ctx)
}

func keepRecords(ctx context.Context, tx *ent.Tx, owner record.Owner, changed []record.Record) error {
	rows := make([]*ent.RecordCreate, len(changed))
	for i, r := range changed {
		rows[i] = tx.Record.Create().
			SetOwner(owner[:]).
			SetID(r.ID).
			SetRevision(int64(r.Revision)).
			SetDeleted(r.Deleted).
			SetSchemaVersion(r.SchemaVersion).
			SetClientID(r.ClientID).
			SetUpdatedAt(r.UpdatedAt.UnixMicro())
		if !r.Deleted {
			rows[i].SetData(r.Data)
		}
	}
	return tx.Record.CreateBulk(rows...).
		OnConflictColumns(entrecord.FieldOwner, entrecord.FieldID).
		UpdateNewValues().
		Update(func(u *ent.RecordUpsert) { u.UpdateData() }). // to null where a tombstone follows
		Exec(ctx)
}

func encodeRevisions(revisions []record.Revision) []byte {
	var b []byte
	for _, r := range revisions {
		b = binary.AppendUvarint(b, uint64(r))
	}
	return b
}

func decodeRevisions(b []byte) ([]record.Revision, error) {
	var revisions []record.Revision
	for len(b) > 0 {
		n, size := binary.Uvarint(b)
		if size <= 0 {
			return nil, errors.New("entstore: stored revisions are damaged")
		}
		revisions = append(revisions, record.Revision(n))
		b = b[size:]
	}
	return revisions, nil
}
