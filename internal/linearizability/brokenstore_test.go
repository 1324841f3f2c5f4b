package linearizability

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"syncline/internal/testservers"
	"syncline/pubsub/inproc"
	"syncline/record"
	"syncline/storage/records"
)

const (
	// soundTries is how many histories of a sound part must pass.
	soundTries = 10
	// brokenTries bounds how many histories of a broken part the checker may need
	// to see that it is broken. Each shows a fault with a chance of a third or
	// more; most tests end at the first or second.
	brokenTries = 100
)

// The checker finds fault with every store that breaks the contract, and with
// none that keeps it, although answers are lost.
func TestBrokenStore(t *testing.T) {
	faults := map[string]func(record.Store) record.Store{
		"reads are stale":              func(s record.Store) record.Store { return &staleReads{Store: s} },
		"updates are lost":             func(s record.Store) record.Store { return lostUpdates{s} },
		"a write is applied twice":     func(s record.Store) record.Store { return twice{s} },
		"a retry is applied again":     func(s record.Store) record.Store { return forgetful{s} },
		"a batch is applied in part":   func(s record.Store) record.Store { return torn{s} },
		"a success is not kept":        func(s record.Store) record.Store { return &unkept{Store: s} },
		"a page hides the last change": func(s record.Store) record.Store { return hiding{s} },
	}
	for name, breakIt := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			histories := inProcessRecords(t, breakIt)
			for n := range brokenTries {
				if histories(n).isIllegal(t, recordModel()) {
					return
				}
			}
			t.Errorf("%d histories of the broken store pass", brokenTries)
		})
	}
	t.Run("nothing is broken", func(t *testing.T) {
		t.Parallel()
		histories := inProcessRecords(t, func(s record.Store) record.Store { return s })
		for n := range soundTries {
			histories(n).mustBeLinearizable(t, recordModel())
		}
	})
}

// inProcessRecords makes histories of a store in this process.
func inProcessRecords(t *testing.T, breakIt func(record.Store) record.Store) func(n int) *history {
	seed := newSeed(t)
	db := testservers.SQLite(t)
	bus := inproc.New()
	t.Cleanup(bus.Close)
	store := breakIt(records.New(db, db.NewEngine()))
	service := record.NewService(store, bus, slog.New(slog.DiscardHandler))
	return func(n int) *history {
		random := newRandom(seed, n)
		system := &local{service: service, owner: record.Owner{2, byte(n)}, random: newRandom(seed, brokenTries+n)}
		return recordHistory(t.Context(), system, random, func() {})
	}
}

// local is a service in this process, some of whose answers are lost on the way.
type local struct {
	service *record.Service
	owner   record.Owner

	mu     sync.Mutex
	random *rand.Rand
}

var _ recordAPI = (*local)(nil)

func (l *local) write(ctx context.Context, in writeInput) (writeOutput, error) {
	result, err := l.service.Write(ctx, l.owner, in.request())
	if errors.Is(err, record.ErrMutationIDReused) {
		return writeOutput{status: reused}, nil
	}
	l.mu.Lock()
	lost := l.random.IntN(20) == 0
	l.mu.Unlock()
	if err == nil && lost {
		return writeOutput{}, errLost
	}
	return toWriteOutput(result), err
}

func (in writeInput) request() record.Request {
	request := record.Request{
		Kind:     map[string]record.Kind{"set": record.KindSet, "delete": record.KindDelete, "batch": record.KindBatch}[in.kind],
		ClientID: &in.clientID,
	}
	if in.mutationID != "" {
		request.MutationID = &in.mutationID
	}
	for _, w := range in.writes {
		request.Writes = append(request.Writes, record.Write{
			ID: w.id, Delete: w.delete, Data: []byte(w.data), SchemaVersion: w.schema, Revision: record.Revision(w.revision),
		})
	}
	return request
}

var statuses = map[record.Status]string{record.Success: success, record.Conflict: conflict, record.Skipped: skipped}

func toWriteOutput(result record.Result) writeOutput {
	out := writeOutput{status: statuses[result.Status], replayed: result.Replayed}
	for _, r := range result.Results {
		out.results = append(out.results, writeResult{
			status: statuses[r.Status], newRevision: int64(r.NewRevision), record: toVersion(r.Record),
		})
	}
	return out
}

func toVersion(r *record.Record) version {
	if r == nil {
		return version{}
	}
	return version{
		ID: r.ID, Data: string(r.Data), Revision: int64(r.Revision),
		Schema: r.SchemaVersion, Deleted: r.Deleted, ClientID: r.ClientID,
	}
}

func (l *local) read(ctx context.Context, in recordsInput) (recordsOutput, error) {
	found, err := l.service.Records(ctx, l.owner, in.ids)
	out := recordsOutput{records: make([]version, len(found))}
	for i, r := range found {
		out.records[i] = toVersion(r)
	}
	return out, err
}

func (l *local) changes(ctx context.Context, in changesInput) (changesOutput, cursor, error) {
	since, err := record.ParseCursor(in.since.text)
	if err != nil {
		return changesOutput{}, cursor{}, err
	}
	found, err := l.service.Changes(ctx, l.owner, since, in.first)
	page := changesOutput{head: int64(found.Head), hasMore: found.HasMore}
	for _, r := range found.Records {
		page.records = append(page.records, toVersion(&r))
	}
	return page, in.next(found.Cursor.String(), page), err
}

func (l *local) viewer(ctx context.Context) (viewerOutput, error) {
	account, err := l.service.Account(ctx, l.owner)
	return viewerOutput{head: int64(account.Head), count: account.RecordCount, bytes: account.StoredBytes}, err
}

// staleReads answers every other read as the one before it, as a replica might
// that lags behind.
type staleReads struct {
	record.Store
	mu    sync.Mutex
	reads int
	last  map[string]record.Record
}

func (s *staleReads) Records(ctx context.Context, owner record.Owner, ids []string) (map[string]record.Record, error) {
	found, err := s.Store.Records(ctx, owner, recordIDs[:])
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	if s.reads%2 == 0 {
		return s.last, err
	}
	s.last = found
	return found, err
}

// lostUpdates lets a write overwrite what its client has not seen.
type lostUpdates struct{ record.Store }

func (s lostUpdates) Write(ctx context.Context, owner record.Owner, request record.Request) (record.Result, error) {
	result, err := s.Store.Write(ctx, owner, request)
	if err != nil || result.Status != record.Conflict || request.Kind != record.KindSet {
		return result, err
	}
	if current := result.Results[0].Record; current != nil {
		request.Writes[0].Revision = current.Revision
	}
	return s.Store.Write(ctx, owner, request)
}

// twice applies what was applied once more, as a retry inside might.
type twice struct{ record.Store }

func (s twice) Write(ctx context.Context, owner record.Owner, request record.Request) (record.Result, error) {
	result, err := s.Store.Write(ctx, owner, request)
	if err == nil && result.Status == record.Success && request.Kind == record.KindSet && request.MutationID == nil {
		request.Writes[0].Revision = result.Results[0].NewRevision
		_, err = s.Store.Write(ctx, owner, request)
	}
	return result, err
}

// forgetful does not remember mutation ids.
type forgetful struct{ record.Store }

func (s forgetful) Write(ctx context.Context, owner record.Owner, request record.Request) (record.Result, error) {
	request.MutationID = nil
	return s.Store.Write(ctx, owner, request)
}

// torn writes a batch one by one.
type torn struct{ record.Store }

func (s torn) Write(ctx context.Context, owner record.Owner, request record.Request) (record.Result, error) {
	if request.Kind != record.KindBatch || request.MutationID != nil {
		return s.Store.Write(ctx, owner, request)
	}
	whole := record.Result{Status: record.Success}
	for _, w := range request.Writes {
		part, err := s.Store.Write(ctx, owner, record.Request{Kind: record.KindBatch, Writes: []record.Write{w}, ClientID: request.ClientID})
		if err != nil {
			return record.Result{}, err
		}
		whole.Head = cmp.Or(part.Head, whole.Head)
		whole.Status = max(whole.Status, part.Status)
		whole.Results = append(whole.Results, part.Results...)
	}
	return whole, nil
}

// unkept answers now and then with the success of a write that it does not keep.
type unkept struct {
	record.Store
	writes atomic.Int64
}

func (s *unkept) Write(ctx context.Context, owner record.Owner, request record.Request) (record.Result, error) {
	if request.Kind != record.KindSet || request.MutationID != nil || s.writes.Add(1)%3 > 0 {
		return s.Store.Write(ctx, owner, request)
	}
	found, err := s.Records(ctx, owner, recordIDs[:])
	if err != nil {
		return record.Result{}, err
	}
	state := record.State{Records: map[string]record.Stored{}}
	for id, r := range found {
		state.Records[id] = record.Stored{Record: r, DataBytes: int64(len(r.Data))}
		state.Head = max(state.Head, r.Revision)
	}
	verdict, err := record.Judge(state, request, found[request.Writes[0].ID].UpdatedAt)
	return verdict.Result, err
}

// hiding leaves the newest record out of a page, as a reader does that passes
// over a transaction which is not committed yet.
type hiding struct{ record.Store }

func (s hiding) Changes(ctx context.Context, owner record.Owner, span record.Span) (record.Snapshot, error) {
	found, err := s.Store.Changes(ctx, owner, span)
	if n := len(found.Records); n > 1 && !found.More {
		found.Records = found.Records[:n-1]
	}
	return found, err
}
