package commit_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"syncline/storage/commit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const counters commit.Table = 1

func counter(owner commit.Owner, id string) commit.Key {
	return commit.Key{Table: counters, Owner: owner, ID: id}
}

func ownerNumber(n int) commit.Owner { return commit.Owner{0: 2, 32: byte(n)} }

// fault is what goes wrong with a transaction of memory's. The zero value is
// nothing.
type fault struct {
	begin, lock, commit error
	applied             bool // though the commit fails
}

// memory is a commit.Store in memory that fails as it is told.
type memory struct {
	fault  func() fault                        // asked as each transaction begins; nil: none
	onLock func(owners []commit.Owner)         // called in each transaction; may be nil
	refuse func(changes []commit.Change) error // what it does not store; may be nil

	mu        sync.Mutex
	rows      map[commit.Key]any
	elsewhere map[commit.Owner]chan struct{} // owners whom another process has locked, until it is closed
	commits   [][]commit.Change
}

func newMemory() *memory {
	return &memory{rows: map[commit.Key]any{}, elsewhere: map[commit.Owner]chan struct{}{}}
}

func (m *memory) lockElsewhere(owner commit.Owner) (unlock func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	locked := make(chan struct{})
	m.elsewhere[owner] = locked
	return func() {
		m.mu.Lock()
		delete(m.elsewhere, owner)
		m.mu.Unlock()
		close(locked)
	}
}

func (m *memory) get(key commit.Key) any {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rows[key]
}

func (m *memory) Transact(_ context.Context, wait bool, f func(commit.Tx) error) error {
	t := &memoryTx{memory: m, wait: wait}
	if m.fault != nil {
		t.fault = m.fault()
	}
	if t.fault.begin != nil {
		return t.fault.begin
	}
	return f(t)
}

type memoryTx struct {
	*memory
	fault fault
	wait  bool
}

func (t *memoryTx) Lock(ctx context.Context, owners []commit.Owner, keys []commit.Key, found func(commit.Key, any)) (busy []commit.Owner, err error) {
	if t.onLock != nil {
		t.onLock(owners)
	}
	if t.fault.lock != nil {
		return nil, t.fault.lock
	}
	for _, owner := range owners {
		t.mu.Lock()
		locked := t.elsewhere[owner]
		t.mu.Unlock()
		switch {
		case locked != nil && t.wait:
			<-locked
		case locked != nil:
			busy = append(busy, owner)
		}
	}
	return busy, t.Read(ctx, keys, found)
}

func (t *memoryTx) Read(_ context.Context, keys []commit.Key, found func(commit.Key, any)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, key := range keys {
		if value, ok := t.rows[key]; ok {
			found(key, value)
		}
	}
	return nil
}

func (t *memoryTx) Commit(_ context.Context, changes []commit.Change) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.refuse != nil {
		if err := t.refuse(changes); err != nil {
			return err
		}
	}
	if t.fault.commit != nil && !t.fault.applied {
		return t.fault.commit
	}
	for _, c := range changes {
		if c.After == nil {
			delete(t.rows, c.Key)
		} else {
			t.rows[c.Key] = c.After
		}
	}
	t.commits = append(t.commits, changes)
	return t.fault.commit
}

func failed(outcome commit.Outcome) error {
	return &commit.Failure{Outcome: outcome, RetryAfter: 1, Err: errors.New("a fault")}
}

// add is a unit that raises a counter, by one, and remembers in a row of its own
// that it did. Without a name it only looks.
type add struct {
	owner commit.Owner
	name  string
	size  int
	judge func() // called as it is judged; may be nil
	saw   int    // the counter, after it
}

var errOdd = errors.New("an odd counter is refused")

func (a *add) Plan() commit.Plan {
	plan := commit.Plan{Owner: a.owner, Rows: 1, Bytes: a.size, Reads: []commit.Key{counter(a.owner, "counter")}}
	if a.name != "" {
		plan.Reads = append(plan.Reads, counter(a.owner, a.name))
	}
	return plan
}

func (a *add) Judge(rows *commit.Rows) error {
	if a.judge != nil {
		a.judge()
	}
	a.saw, _ = rows.Get(counter(a.owner, "counter")).(int)
	if a.name == "" {
		return nil
	}
	if a.name[0] == '!' { // refused, after it has changed something
		rows.Put(counter(a.owner, "counter"), -1)
		return errOdd
	}
	if rows.Get(counter(a.owner, a.name)) != nil {
		return fmt.Errorf("%s is applied a second time", a.name)
	}
	a.saw++
	rows.Put(counter(a.owner, "counter"), a.saw)
	rows.Put(counter(a.owner, a.name), a.saw)
	return nil
}

func mustDo(t *testing.T, e *commit.Engine, unit commit.Unit) {
	t.Helper()
	if err := e.Do(t.Context(), unit); err != nil {
		t.Fatal(err)
	}
}

// outcomeOf is that of a failure, or 0.
func outcomeOf(err error) commit.Outcome {
	if f, ok := errors.AsType[*commit.Failure](err); ok {
		return f.Outcome
	}
	return 0
}

// applied are the names of an owner's units that the store has, in the order in
// which they raised the counter.
func (m *memory) applied(owner commit.Owner) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for _, key := range slices.SortedFunc(maps.Keys(m.rows), func(a, b commit.Key) int { return m.rows[a].(int) - m.rows[b].(int) }) {
		if key.Owner == owner && key.ID != "counter" {
			names = append(names, key.ID)
		}
	}
	return names
}
