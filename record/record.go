// Package record is the domain: an owner's versioned records, how a write is
// judged, and how a reader pages through changes.
//
// The package knows no database. Judge says what a write does to what is
// stored; a Store reads that state under the owner's lock, lets Judge decide
// and keeps the verdict, all in one transaction; Service validates before and
// publishes after.
package record

import (
	"time"

	"syncline/pubsub"
)

// Owner is whose data it is.
type Owner = pubsub.Owner

// Revision counts the accepted writes of one owner. A record carries the
// revision of its last write. 0 stands for "not written yet".
type Revision int64

// MaxRevision is the largest revision, the largest integer that every JSON
// reader holds exactly.
const MaxRevision Revision = 1<<53 - 1

// FenceToken orders the grants of an owner's locks.
type FenceToken int64

// Record is one item of an owner.
type Record struct {
	ID            string
	Data          []byte // nil in a tombstone
	Revision      Revision
	SchemaVersion string
	Deleted       bool // a tombstone: what a delete leaves
	// ClientID is what the device of the last write calls itself; empty if it gave none.
	ClientID  string
	UpdatedAt time.Time // UTC, whole microseconds
}

// Kind tells the API's three ways to write apart. A mutation id used again
// for another kind is used for other content.
type Kind uint8

// The kinds.
const (
	KindSet Kind = iota + 1
	KindDelete
	KindBatch
	KindErase // of a digest only: see JudgeErasure
)

// Write sets or deletes one record.
type Write struct {
	ID            string
	Delete        bool
	Data          []byte   // of a set
	SchemaVersion string   // of a set
	Revision      Revision // the revision last seen of this record; 0 creates
}

// Fence names the lock under which a write believes itself to be.
type Fence struct {
	Lock  string
	Token FenceToken
}

// Request is one call to write: all its writes are accepted, or none.
type Request struct {
	Kind       Kind
	Writes     []Write // exactly one unless Kind is KindBatch; each record once
	ClientID   *string // nil: none
	MutationID *string // nil: none
	Fence      *Fence  // nil: none
	// Quota is what an owner without a quota of its own may keep after the request.
	Quota Quota
	// NoRoom is why the request must not grow the owner's data, nor add a row of a
	// record or a mutation id unless it shrinks them; nil: it may.
	NoRoom error
}

// Status is the outcome of one write.
type Status uint8

// The outcomes of a write.
const (
	Success Status = iota + 1
	Conflict
	Skipped // accepted, but another write of its batch was not
)

// WriteResult is the outcome of one Write.
type WriteResult struct {
	Status      Status
	NewRevision Revision // of a success; else 0
	// Record is the state after a success, the present state on a conflict;
	// nil where there is none, and for Skipped.
	Record *Record
}

// Result is the outcome of a Request.
type Result struct {
	Status   Status        // Success or Conflict
	Results  []WriteResult // in the order of the writes
	Replayed bool          // an earlier Request with this mutation id had done it already
	// Head is the owner's newest revision after the request took effect, and 0
	// if it changed nothing: then there is nothing to tell anyone.
	Head Revision
	// Changed are the records that were stored, and Epoch that in which; see Commit.
	Changed []Record
	Epoch   Epoch
}

// Account is what an owner's data adds up to.
type Account struct {
	Head        Revision // the newest revision; 0 before the first write
	Floor       Revision // tombstones at or below it are purged
	Erased      Revision // nothing that was written up to it is seen any more
	Epoch       Epoch
	RecordCount int64 // live records
	StoredBytes int64 // data bytes of live records

	Exists        bool  // false: the owner never wrote or locked anything, and nobody made the account
	Tombstones    int64 // how many there are
	MutationBytes int64 // about what the remembered mutation ids take
	// Own is the owner's own quota: of each part, 0 stands for the server's, and
	// Unbounded for none.
	Own Quota
}
