package commit

import (
	"bytes"
	"fmt"
	"slices"
)

// Rows are the rows of a transaction as one unit is shown them while it is
// judged: as they were read, and then changed by the units before it.
type Rows struct {
	cells   map[Key]*cell // of the whole transaction
	verdict *verdict
}

// cell is one row in the course of a transaction.
type cell struct {
	before, now any
	changed     bool
}

// verdict is what a unit came to. With an error, it changes nothing.
type verdict struct {
	task    *task
	err     error
	puts    []put
	loads   []load
	confirm bool
	// stale: a unit before it in the transaction changed a row that it read, so that
	// it read too much if the commit fails.
	stale bool
}

type put struct {
	cell  *cell
	value any
}

type load struct {
	key  Key
	into func(any)
}

// Get is a row's value; nil if there is no such row. The key must be in the
// unit's plan. What the value refers to must not be changed.
func (r *Rows) Get(key Key) any { return r.cell(key).now }

// Put changes a row, and with nil deletes it. The key must be in the unit's plan.
// What the value refers to must not be changed any more.
func (r *Rows) Put(key Key, value any) {
	r.verdict.puts = append(r.verdict.puts, put{r.cell(key), value})
}

// Load has one more row read before the transaction commits: what only the answer
// needs. into gets its value as it was before the transaction; nil if there is
// no such row.
func (r *Rows) Load(key Key, into func(value any)) {
	r.verdict.loads = append(r.verdict.loads, load{key, into})
}

// Confirm has the unit answered after the commit though it changes nothing: what
// it saw is then on all replicas that a commit waits for.
func (r *Rows) Confirm() { r.verdict.confirm = true }

func (r *Rows) cell(key Key) *cell {
	c := r.cells[key]
	if c == nil {
		panic(fmt.Sprintf("commit: table %d, id %q is not in the unit's plan", key.Table, key.ID))
	}
	return c
}

// needsCommit tells whether the unit's answer depends on the commit.
func (v *verdict) needsCommit() bool { return len(v.puts) > 0 || v.confirm }

// batch is a transaction's units, and the rows that they share.
type batch struct {
	owners   []Owner // sorted
	keys     []Key   // sorted
	rows     []cell  // of the keys
	cells    map[Key]*cell
	verdicts []verdict
}

func newBatch(tasks []*task) *batch {
	reads := 0
	for _, t := range tasks {
		reads += len(t.plan.Reads)
	}
	b := &batch{
		owners:   make([]Owner, 0, len(tasks)),
		keys:     make([]Key, 0, reads),
		verdicts: make([]verdict, 0, len(tasks)),
	}
	for _, t := range tasks {
		if !t.plan.Unlocked {
			b.owners = append(b.owners, t.plan.Owner)
		}
		b.keys = append(b.keys, t.plan.Reads...)
	}
	slices.SortFunc(b.owners, func(x, y Owner) int { return bytes.Compare(x[:], y[:]) })
	slices.SortFunc(b.keys, Key.Compare)
	b.owners, b.keys = slices.Compact(b.owners), slices.Compact(b.keys)
	b.rows = make([]cell, len(b.keys))
	b.cells = make(map[Key]*cell, len(b.keys))
	for i, key := range b.keys {
		b.cells[key] = &b.rows[i]
	}
	return b
}

// found takes a row that was read. Stores may tell of rows that no unit asked for:
// what they lock owners by.
func (b *batch) found(key Key, value any) {
	if c := b.cells[key]; c != nil {
		c.before, c.now = value, value
	}
}

// judge has a unit judged by what those before it left.
func (b *batch) judge(t *task) {
	b.verdicts = append(b.verdicts, verdict{task: t})
	v := &b.verdicts[len(b.verdicts)-1]
	for _, key := range t.plan.Reads {
		v.stale = v.stale || b.cells[key].changed
	}
	if err := t.unit.Judge(&Rows{b.cells, v}); err != nil {
		*v = verdict{task: t, err: err, stale: v.stale}
	}
	for _, p := range v.puts {
		p.cell.now, p.cell.changed = p.value, true
	}
}

// changes are those of all units, the last state of each row.
func (b *batch) changes() []Change {
	changes := make([]Change, 0, len(b.keys))
	for i := range b.rows {
		if c := &b.rows[i]; c.changed {
			changes = append(changes, Change{Key: b.keys[i], Before: c.before, After: c.now})
		}
	}
	return changes
}
