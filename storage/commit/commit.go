// Package commit has units of work share transactions (group commit).
//
// A Unit is what one request does to the rows of one owner: it names the rows
// to read, judges by them, and changes some. Units wait in a queue, those of an
// owner in the order in which they came. The first of an idle Engine begins at
// once, in a transaction of its own; those that come while it commits share the
// next one. A unit may leave the queue while it waits. After that its caller
// learns what became of it: committed, not applied, or unknown.
//
// The package knows neither SQL nor what rows mean: a Store carries out the
// transactions, and a database's dialect is its business.
//
// In the order in which a unit meets them: Submit and the queue in queue.go,
// work and run in engine.go, Rows in rows.go.
package commit

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"time"

	"syncline/pubsub"
)

// Owner is whose rows a unit of work changes.
type Owner = pubsub.Owner

// Table is a kind of rows. Which there are, only stores and units know.
type Table uint8

// Key names a row: of a table, of an owner, by an id. A row that is nobody's own
// has no owner.
type Key struct {
	Table Table
	Owner Owner
	ID    string
}

// Compare orders keys by table, owner and id.
func (k Key) Compare(other Key) int {
	return cmp.Or(
		cmp.Compare(k.Table, other.Table),
		bytes.Compare(k.Owner[:], other.Owner[:]),
		cmp.Compare(k.ID, other.ID),
	)
}

// Change is what a transaction does to one row. A nil value stands for no row.
type Change struct {
	Key           Key
	Before, After any
}

// Unit is a unit of work.
type Unit interface {
	// Plan is asked once, when the unit is submitted.
	Plan() Plan
	// Judge decides by the rows that the plan names, as those before it left
	// them, and changes some. It may be called again if its transaction came to
	// nothing, so it keeps nothing of an earlier call. With an error, which its
	// caller gets, nothing is changed. It must not wait for anything.
	Judge(rows *Rows) error
}

// NewUnit makes a Unit of its two parts.
func NewUnit(plan Plan, judge func(rows *Rows) error) Unit { return &unit{plan, judge} }

type unit struct {
	plan  Plan
	judge func(*Rows) error
}

func (u *unit) Plan() Plan { return u.plan }

func (u *unit) Judge(rows *Rows) error { return u.judge(rows) }

// Plan is what an Engine must know of a unit before it runs.
type Plan struct {
	// Owner is whose lock is held from before the rows are read until the
	// transaction ends: units of one owner take effect one after the other.
	Owner Owner
	// Unlocked: the unit does without the lock. Its rows are of a table whose
	// store notices if another process changed them, and answers Clashed. Units
	// of one owner without the lock take effect one after the other, too.
	Unlocked bool
	// Reads are the rows that Judge may get and change, each once.
	Reads []Key
	// Rows and Bytes are how much the unit writes at most, about.
	Rows, Bytes int
}

// Store carries out transactions. It is safe for concurrent use.
type Store interface {
	// Transact runs f in a transaction on a connection of its own, and rolls it
	// back if f did not commit it. Its error is that of f; if it did not come to
	// call f, why not. With wait, the transaction waits for owners whose lock
	// another process holds; without, it leaves them out.
	Transact(ctx context.Context, wait bool, f func(tx Tx) error) error
}

// Tx is a transaction. After an error of any method it is of no more use.
// Errors are *Failure, or else are faults of this program: nothing was applied.
type Tx interface {
	// Lock takes the owners' locks in their order, which is that of bytes, and
	// then reads: all that was committed under these locks before is seen. found
	// is called for each key whose row exists; more than once if need be, the
	// last time counts, and also for rows that the locks are. busy are owners whose lock another process holds.
	Lock(ctx context.Context, owners []Owner, keys []Key, found func(Key, any)) (busy []Owner, err error)
	// Read reads more rows.
	Read(ctx context.Context, keys []Key, found func(Key, any)) error
	// Commit writes the changes, which are sorted by their keys, and commits.
	Commit(ctx context.Context, changes []Change) error
}

// Outcome is what a failed transaction means.
type Outcome uint8

// The outcomes. Only with Unknown something may have been applied.
const (
	// Refused: the database answered and did not do it. It may do some units
	// that it did not do together.
	Refused Outcome = iota + 1
	// Clashed: rolled back for the sake of another transaction. It is run again.
	Clashed
	// Unavailable: the database does not answer, or the queue is full.
	Unavailable
	// Unknown: the answer to a commit was lost.
	Unknown
)

// Failure says what became of a transaction that failed, and of its units.
type Failure struct {
	Outcome    Outcome
	RetryAfter time.Duration // how long to wait before another try
	Err        error         // for the log, never for clients
}

func (f *Failure) Error() string { return fmt.Sprintf("%s: %v", f.Outcome, f.Err) }

func (f *Failure) Unwrap() error { return f.Err }

func (o Outcome) String() string {
	switch o {
	case Refused:
		return "refused"
	case Clashed:
		return "clashed with another transaction"
	case Unavailable:
		return "unavailable"
	default:
		return "outcome unknown"
	}
}
