package record

import (
	"slices"
	"time"
)

// State is what a store holds of all that one Request touches, read under the
// owner's lock.
type State struct {
	Account
	// Base is the revision that every new one must exceed: 0, or that of the
	// newest restore.
	Base Revision
	// Mutation is what is remembered of the request's mutation id; nil if nothing.
	Mutation *Mutation
	// Fence is the newest token granted of the lock that the request's fence
	// names; 0 if it was never granted.
	Fence FenceToken
	// Forgotten are the tokens that may have been granted of a lock whose fence was
	// purged or erased since: up to this one.
	Forgotten FenceToken
	// Records are those of the request's ids that are stored, tombstones too.
	Records map[string]Stored
}

// Stored is a record as a State holds it. Its Data may be left out: Judge needs
// only the length.
type Stored struct {
	Record
	DataBytes int64
}

// Mutation is what is remembered of an accepted request with a mutation id.
type Mutation struct {
	Digest    Digest     // of the content
	Revisions []Revision // of each write, in order
}

// Verdict is what a request does.
type Verdict struct {
	// Result may show records of the state, on a conflict or a replay. Where the
	// state left out their data, it is to be added.
	Result Result
	// Changed are the records to store, in ascending order of revision; empty
	// if the request changes nothing.
	Changed []Record
	// Account is what the owner's data adds up to afterwards.
	Account Account
	// Mutation is to be remembered under the request's mutation id; nil if
	// there is nothing to remember.
	Mutation *Mutation
}

// Judge says what a valid request does to a state, or with which error it is
// refused: ErrMutationIDReused, ErrFenced, an *InvalidError, a *QuotaExceededError,
// or an *UnavailableError where there is no room, or too much left to be purged. It
// judges in the order of the contract: mutation id, fence, revisions, quota, room. It
// changes nothing.
func Judge(state State, request Request, now time.Time) (Verdict, error) {
	unchanged := Verdict{Account: state.Account}
	if state.Mutation != nil {
		if state.Mutation.Digest != request.Digest() {
			return unchanged, ErrMutationIDReused
		}
		unchanged.Result = replay(state, request)
		return unchanged, nil
	}
	if err := checkFence(state, request.Fence); err != nil {
		return unchanged, err
	}
	if result, ok := findConflicts(state, request); ok {
		unchanged.Result = result
		return unchanged, nil
	}
	v := apply(state, request, now)
	quota := request.Quota.Of(state.Account)
	if err := quota.check(state.Account, v.Account); err != nil {
		return unchanged, err
	}
	full := quota.Traces().full(state.Account)
	if request.NoRoom == nil && !full {
		return v, nil
	}
	if len(v.Changed) == 0 { // all was deleted before: asked again, the answer is the same
		v.Mutation = nil
	}
	switch {
	case !v.needsRoom(state):
		return v, nil
	case full:
		return unchanged, &UnavailableError{RetryAfter: retryAfterPurge, Err: errTracesFull}
	default:
		return unchanged, &UnavailableError{RetryAfter: retryAfterNoRoom, Err: request.NoRoom}
	}
}

// Where there is no room somebody has to make some. A purge is at work already.
const (
	retryAfterNoRoom = 30 * time.Second
	retryAfterPurge  = time.Second
)

// needsRoom tells whether there are more live records than in state, or more bytes
// in them; or as much, with a new row: of a record or of a mutation id. What shrinks
// may leave one, for it ends when nothing is left.
func (v Verdict) needsRoom(state State) bool {
	before, after := state.Account, v.Account
	switch {
	case after.RecordCount > before.RecordCount || after.StoredBytes > before.StoredBytes:
		return true
	case after.RecordCount < before.RecordCount || after.StoredBytes < before.StoredBytes:
		return false
	}
	isNew := func(r Record) bool { return state.record(r.ID) == nil }
	return v.Mutation != nil || slices.ContainsFunc(v.Changed, isNew)
}

func replay(state State, request Request) Result {
	result := Result{Status: Success, Replayed: true, Results: make([]WriteResult, len(request.Writes))}
	for i, w := range request.Writes {
		result.Results[i] = WriteResult{
			Status:      Success,
			NewRevision: state.Mutation.Revisions[i],
			Record:      state.record(w.ID),
		}
	}
	return result
}

func checkFence(state State, fence *Fence) error {
	granted := state.Fence
	switch {
	case fence == nil || fence.Token == granted && granted > 0:
		return nil
	case granted == 0 && fence.Token <= state.Forgotten && fence.Token > 0:
		return ErrFenced
	case granted == 0:
		return invalid("fence.lock", "this lock was never granted")
	case fence.Token > granted:
		return invalid("fence.token", "this token was never granted")
	default:
		return ErrFenced
	}
}

func findConflicts(state State, request Request) (Result, bool) {
	result := Result{Status: Success}
	for i, w := range request.Writes {
		current := state.record(w.ID)
		if w.matches(current) {
			continue
		}
		if result.Status != Conflict {
			result.Status, result.Results = Conflict, skipAll(len(request.Writes))
		}
		result.Results[i] = WriteResult{Status: Conflict, Record: current}
	}
	return result, result.Status == Conflict
}

func skipAll(writes int) []WriteResult {
	results := make([]WriteResult, writes)
	for i := range results {
		results[i].Status = Skipped
	}
	return results
}

// matches tells whether the write saw the present state.
func (w Write) matches(current *Record) bool {
	switch {
	case w.Delete:
		return current != nil && w.Revision > 0 && w.Revision == current.Revision
	case current == nil:
		return w.Revision == 0
	case current.Deleted && w.Revision == 0:
		return true
	default:
		return w.Revision == current.Revision
	}
}

func apply(state State, request Request, now time.Time) Verdict {
	v := Verdict{
		Account: state.Account,
		Result:  Result{Status: Success, Results: make([]WriteResult, len(request.Writes))},
	}
	next := max(state.Head, state.Base) + 1
	for i, w := range request.Writes {
		current := state.record(w.ID)
		if w.Delete && current.Deleted {
			v.Result.Results[i] = WriteResult{Status: Success, NewRevision: current.Revision, Record: current}
			continue
		}
		after := w.after(current, next, request.ClientID, now)
		next++
		if v.Changed == nil {
			v.Changed = make([]Record, 0, len(request.Writes)) // which stay where they are
		}
		v.Changed = append(v.Changed, after)
		v.Account.count(state.Records[w.ID], after)
		v.Result.Results[i] = WriteResult{Status: Success, NewRevision: after.Revision, Record: &v.Changed[len(v.Changed)-1]}
	}
	if len(v.Changed) > 0 {
		v.Result.Head, v.Result.Changed, v.Result.Epoch = v.Account.Head, v.Changed, v.Account.Epoch
	}
	v.Mutation = request.remember(v.Result)
	return v
}

func (w Write) after(current *Record, revision Revision, clientID *string, now time.Time) Record {
	after := Record{
		ID:            w.ID,
		Revision:      revision,
		SchemaVersion: w.SchemaVersion,
		UpdatedAt:     now.UTC().Truncate(time.Microsecond),
	}
	if clientID != nil {
		after.ClientID = *clientID
	}
	if w.Delete {
		after.Deleted = true
		after.SchemaVersion = current.SchemaVersion
		return after
	}
	after.Data = w.Data
	if after.Data == nil {
		after.Data = []byte{}
	}
	return after
}

// count takes a change into account. The zero value of before stands for none.
func (a *Account) count(before Stored, after Record) {
	a.Head = after.Revision
	switch {
	case before.Revision == 0:
	case before.Deleted:
		a.Tombstones--
	default:
		a.RecordCount--
		a.StoredBytes -= before.DataBytes
	}
	if after.Deleted {
		a.Tombstones++
		return
	}
	a.RecordCount++
	a.StoredBytes += int64(len(after.Data))
}

func (s State) record(id string) *Record {
	r, ok := s.Records[id]
	if !ok {
		return nil
	}
	return new(r.Record)
}

func (r Request) remember(result Result) *Mutation {
	if r.MutationID == nil {
		return nil
	}
	m := &Mutation{Digest: r.Digest(), Revisions: make([]Revision, len(result.Results))}
	for i, w := range result.Results {
		m.Revisions[i] = w.NewRevision
	}
	return m
}
