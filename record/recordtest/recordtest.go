// Package recordtest is the conformance suite of record.Store. It drives a
// store through record.Service, as the server does.
package recordtest

import (
	"context"
	"sync"
	"testing"
	"time"

	"syncline/pubsub"
	"syncline/record"
)

// Harness is a fresh store and what its interface does not offer.
type Harness struct {
	Store record.Store
	// SetTime sets the clock that stamps records.
	SetTime func(now time.Time)
	// Restore begins a new epoch, as after a restore from backup at this time,
	// and returns its base.
	Restore func(t *testing.T, now time.Time) record.Revision
	// Purge raises an owner's floor and drops the tombstones at or below it.
	Purge func(t *testing.T, owner record.Owner, floor record.Revision)
	// Grant sets the fence of one of an owner's locks.
	Grant func(t *testing.T, owner record.Owner, lock string, token record.FenceToken)
}

// Run runs the suite. open makes a harness that lives as long as the test.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	for _, group := range []struct {
		name  string
		cases []testCase
	}{
		{"write", writeCases},
		{"mutation", mutationCases},
		{"batch", batchCases},
		{"fence", fenceCases},
		{"data", dataCases},
		{"room", roomCases},
		{"feed", feedCases},
		{"restore", restoreCases},
		{"erase", eraseCases},
		{"isolation", isolationCases},
		{"concurrency", concurrencyCases},
		{"model", modelCases},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, c := range group.cases {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					c.test(t, newWorld(t, open(t)))
				})
			}
		})
	}
}

type testCase struct {
	name string
	test func(t *testing.T, w *world)
}

// start is what the clock shows as a test begins: a time with nanoseconds.
var start = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)

// world is a service over the store under test.
type world struct {
	Harness
	service *record.Service
	hints   *hints
}

func newWorld(t *testing.T, h Harness) *world {
	t.Helper()
	h.SetTime(start)
	w := &world{Harness: h, hints: &hints{}}
	w.service = record.NewService(h.Store, w.hints, discard())
	return w
}

// user is one owner with data in a world. Its methods fail the test on an error.
type user struct {
	*world
	t     *testing.T
	owner record.Owner
}

// user makes the n-th owner.
func (w *world) user(t *testing.T, n byte) user {
	return user{world: w, t: t, owner: record.Owner{0: 2, 32: n}}
}

func (u user) try(request record.Request) (record.Result, error) {
	return u.service.Write(u.t.Context(), u.owner, request)
}

func (u user) write(request record.Request) record.Result {
	u.t.Helper()
	result, err := u.try(request)
	if err != nil {
		u.t.Fatalf("write %+v: %v", request, err)
	}
	return result
}

// put writes what must succeed and returns its revision.
func (u user) put(request record.Request) record.Revision {
	u.t.Helper()
	result := u.write(request)
	if result.Status != record.Success {
		u.t.Fatalf("write %+v: %s", request, describe(result))
	}
	return result.Results[0].NewRevision
}

func (u user) account() record.Account {
	u.t.Helper()
	a, err := u.service.Account(u.t.Context(), u.owner)
	if err != nil {
		u.t.Fatal(err)
	}
	return a
}

func (u user) record(id string) *record.Record {
	u.t.Helper()
	r, err := u.service.Record(u.t.Context(), u.owner, id)
	if err != nil {
		u.t.Fatal(err)
	}
	return r
}

// changes reads a page after a cursor's text, as a client holds it; none if empty.
func (u user) changes(since string, first int) record.Page {
	u.t.Helper()
	page, err := u.tryChanges(since, first)
	if err != nil {
		u.t.Fatalf("changes since %q: %v", since, err)
	}
	return page
}

func (u user) tryChanges(since string, first int) (record.Page, error) {
	var cursor record.Cursor
	if since != "" {
		var err error
		if cursor, err = record.ParseCursor(since); err != nil {
			return record.Page{}, err
		}
	}
	return u.service.Changes(u.t.Context(), u.owner, cursor, first)
}

// walk reads pages until there are no more, and returns all their records.
func (u user) walk(since string, first int) (records []record.Record, cursor string) {
	u.t.Helper()
	for {
		page := u.changes(since, first)
		records = append(records, page.Records...)
		since = page.Cursor.String()
		if !page.HasMore {
			return records, since
		}
	}
}

// set is a request to set a record.
func set(id, data string, revision record.Revision) record.Request {
	return record.Request{Kind: record.KindSet, Writes: []record.Write{setWrite(id, data, revision)}}
}

// del is a request to delete a record.
func del(id string, revision record.Revision) record.Request {
	return record.Request{Kind: record.KindDelete, Writes: []record.Write{delWrite(id, revision)}}
}

func batch(writes ...record.Write) record.Request {
	return record.Request{Kind: record.KindBatch, Writes: writes}
}

func setWrite(id, data string, revision record.Revision) record.Write {
	return record.Write{ID: id, Data: []byte(data), Revision: revision}
}

func delWrite(id string, revision record.Revision) record.Write {
	return record.Write{ID: id, Delete: true, Revision: revision}
}

// withMutation gives a request a mutation id.
func withMutation(id string, r record.Request) record.Request {
	r.MutationID = &id
	return r
}

// withFence puts a request under a lock.
func withFence(lock string, token record.FenceToken, r record.Request) record.Request {
	r.Fence = &record.Fence{Lock: lock, Token: token}
	return r
}

// withClient signs a request with a client id.
func withClient(id string, r record.Request) record.Request {
	r.ClientID = &id
	return r
}

// hints is a publisher that keeps what it was told.
type hints struct {
	mu   sync.Mutex
	told []pubsub.Hint
}

func (h *hints) Publish(_ context.Context, hint pubsub.Hint) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told = append(h.told, hint)
	return nil
}

// take returns the revisions told of since the last call.
func (h *hints) take() []record.Revision {
	h.mu.Lock()
	defer h.mu.Unlock()
	var revisions []record.Revision
	for _, hint := range h.told {
		revisions = append(revisions, record.Revision(hint.Revision))
	}
	h.told = nil
	return revisions
}
