package feed_test

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"syncline/record"
)

var errDown = errors.New("the store is down")

// memory is a Store in memory that counts what it is asked, may be down, and
// lets a test act between any two readings.
type memory struct {
	afterAccount  func() // called when an account was read
	beforeChanges func() // called before a page is read
	afterChanges  func() // called when a page was read, before it is returned

	mu       sync.Mutex
	epoch    record.Epoch
	accounts map[record.Owner]*account
	down     bool
	asked    counts
}

type account struct {
	record.Account
	records map[string]record.Record
}

// counts are of calls since they were last taken.
type counts struct {
	changes int
	heads   int
	owners  int // of the last call of Heads
	first   int // the largest page asked for
	bytes   int // data of the largest page
}

func newMemory() *memory {
	return &memory{epoch: record.Epoch{1}, accounts: make(map[record.Owner]*account)}
}

func (m *memory) of(owner record.Owner) *account {
	if m.accounts[owner] == nil {
		m.accounts[owner] = &account{records: make(map[string]record.Record)}
	}
	a := m.accounts[owner]
	a.Epoch = m.epoch
	return a
}

func (m *memory) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.down {
		return &record.UnavailableError{RetryAfter: time.Second, Err: errDown}
	}
	return nil
}

func (m *memory) Write(ctx context.Context, owner record.Owner, request record.Request) (record.Result, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter(ctx); err != nil {
		return record.Result{}, err
	}
	a := m.of(owner)
	state := record.State{Account: a.Account, Records: make(map[string]record.Stored)}
	for _, w := range request.Writes {
		if r, ok := a.records[w.ID]; ok {
			state.Records[w.ID] = record.Stored{Record: r, DataBytes: int64(len(r.Data))}
		}
	}
	verdict, err := record.Judge(state, request, time.Now())
	if err != nil {
		return record.Result{}, err
	}
	for _, r := range verdict.Changed {
		a.records[r.ID] = r
	}
	a.Account = verdict.Account
	return verdict.Result, nil
}

func (m *memory) Erase(ctx context.Context, owner record.Owner, mutationID *string) (record.Erasure, []string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter(ctx); err != nil {
		return record.Erasure{}, nil, err
	}
	a := m.of(owner)
	a.Exists = true
	erasure, left, _, err := record.JudgeErasure(record.State{Account: a.Account}, mutationID)
	a.Account, a.records = left, make(map[string]record.Record)
	return erasure, nil, err
}

func (m *memory) Changes(ctx context.Context, owner record.Owner, span record.Span) (record.Snapshot, error) {
	if m.beforeChanges != nil {
		m.beforeChanges()
	}
	if m.afterChanges != nil {
		defer m.afterChanges() // after the lock is given back
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked.changes++
	m.asked.first = max(m.asked.first, span.Limit)
	if err := m.enter(ctx); err != nil {
		return record.Snapshot{}, err
	}
	a := m.of(owner)
	s := record.Snapshot{Account: a.Account}
	if span.Epoch != nil && *span.Epoch != m.epoch {
		return s, nil
	}
	if span.FromStart {
		span.SkipTombstones = a.Head
	}
	size := 0
	for _, r := range a.inOrder() {
		if r.Revision <= span.After || r.Deleted && r.Revision <= span.SkipTombstones {
			continue
		}
		size += len(r.Data)
		if len(s.Records) == span.Limit || size > span.MaxBytes && len(s.Records) > 0 {
			s.More = true
			break
		}
		r.Data = slices.Clone(r.Data)
		s.Records = append(s.Records, r)
		m.asked.bytes = max(m.asked.bytes, size)
	}
	return s, nil
}

func (a *account) inOrder() []record.Record {
	all := make([]record.Record, 0, len(a.records))
	for _, r := range a.records {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b record.Record) int { return cmp.Compare(a.Revision, b.Revision) })
	return all
}

func (m *memory) Account(ctx context.Context, owner record.Owner) (record.Account, error) {
	m.mu.Lock()
	err := m.enter(ctx)
	found := m.of(owner).Account
	m.mu.Unlock()
	if m.afterAccount != nil {
		m.afterAccount()
	}
	return found, err
}

func (m *memory) Heads(ctx context.Context, owners []record.Owner) (map[record.Owner]record.Revision, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked.heads++
	m.asked.owners = len(owners)
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	heads := make(map[record.Owner]record.Revision)
	for _, owner := range owners {
		if a := m.accounts[owner]; a != nil && a.Head > 0 {
			heads[owner] = a.Head
		}
	}
	return heads, nil
}

func (m *memory) Records(context.Context, record.Owner, []string) (map[string]record.Record, error) {
	return nil, errors.ErrUnsupported // a feed does not read single records
}

func (m *memory) setDown(down bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down = down
}

// count takes the counts, which begin anew.
func (m *memory) count() counts {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.asked
	m.asked = counts{}
	return c
}

// purge forgets the tombstones up to a revision.
func (m *memory) purge(owner record.Owner, floor record.Revision) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.of(owner)
	a.Floor = floor
	for id, r := range a.records {
		if r.Deleted && r.Revision <= floor {
			delete(a.records, id)
		}
	}
}

// restore begins another history, in which the owner has written nothing.
func (m *memory) restore(owner record.Owner) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.epoch[0]++
	delete(m.accounts, owner)
}

// state is an owner's live records: what a mirror must come to.
func (m *memory) state(owner record.Owner) map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	state := make(map[string]string)
	for _, r := range m.of(owner).records {
		if !r.Deleted {
			state[r.ID] = string(r.Data)
		}
	}
	return state
}
