// Package row is what both dialects keep: the tables that units of work name,
// and the value of a row in each.
package row

import (
	"time"

	"syncline/record"
	"syncline/storage/commit"
)

// The tables, and the values that a commit.Rows has for them.
const (
	Epochs    commit.Table = iota + 1 // Epoch, the present one; the key has no owner and no id
	Accounts                          // Account; the key has no id
	Records                           // *record.Stored; what is read has no data
	Data                              // []byte: the data of a record, to be read only
	Mutations                         // *Mutation, by mutation id
	Fences                            // Fence, of a lock that was ever granted, by its name
	Clock                             // time.Time, the database's own; no row where it has none. Read only; the key has no owner and no id
	Holds                             // []Hold: all of a lock, by its name
	Nonces                            // int64: when a nonce expires, in microseconds since 1970; the owner is the key that signed

	// The key has no id. Of the last three nothing is read, and to delete the row is
	// to delete all that the owner has.
	Erasures // int64: the revision up to which rows may be left that are erased
	AllFences
	AllHolders
	RestoredHeads
)

// PresentEpoch is the key of the one row of Epochs.
var PresentEpoch = commit.Key{Table: Epochs}

// PresentTime is the key of the one row of Clock.
var PresentTime = commit.Key{Table: Clock}

// AccountOf is the key of an owner's account.
func AccountOf(owner commit.Owner) commit.Key { return commit.Key{Table: Accounts, Owner: owner} }

// FenceOf is the key of a lock's fence.
func FenceOf(owner commit.Owner, lock string) commit.Key {
	return commit.Key{Table: Fences, Owner: owner, ID: lock}
}

// HoldsOf is the key of a lock's holds.
func HoldsOf(owner commit.Owner, lock string) commit.Key {
	return commit.Key{Table: Holds, Owner: owner, ID: lock}
}

// ErasureOf is the key of an owner's erasure.
func ErasureOf(owner commit.Owner) commit.Key { return commit.Key{Table: Erasures, Owner: owner} }

// Epoch is one history of the database.
type Epoch struct {
	Name record.Epoch
	Base int64 // revisions and fence tokens of every owner go on above it
}

// Account is an owner's counters, and what he may keep. A store only reads the
// quota.
type Account struct {
	Head, Floor              int64
	Erased                   int64 // nothing that was written up to this revision is seen any more
	RecordCount, StoredBytes int64
	FenceToken               int64 // the newest token taken for any lock
	Forgotten                int64 // a lock without a fence may have been granted with tokens up to this one
	CreatedAt                int64 // microseconds since 1970; 0 if that is not known, or there is none yet

	Tombstones               int64 // how many there are
	Fences, Holders          int64 // how many rows of locks are stored
	MutationBytes            int64 // the sum of the Size of the remembered mutation ids
	QuotaRecords, QuotaBytes int64 // the owner's own, record.Unbounded for none; 0: the server's
}

// Exists tells whether the owner has begun: by a write, by a lock, or because the
// operator created the account. A row may be there before, to be locked.
func (a Account) Exists() bool { return a.CreatedAt > 0 || a.Head > 0 || a.FenceToken > 0 }

// Shows tells whether a record of the owner is seen by anybody.
func (a Account) Shows(r *record.Stored) bool { return int64(r.Revision) > a.Erased }

// Knows tells whether a mutation id of the owner is. That of an erasure has the
// revision which the erasure took.
func (a Account) Knows(m *Mutation) bool { return m.Head >= a.Erased }

// Mutation is what is remembered of an accepted write with a mutation id.
type Mutation struct {
	Digest    []byte // SHA-256 of the content
	Revisions []byte // of each write in order, as varints
	Head      int64  // the owner's, after the write
	AppliedAt int64  // microseconds since 1970
}

// Size is about how many bytes a row takes, without what a database adds. The
// migration that began to count has the same formula.
func (m *Mutation) Size(id string) int64 { return int64(81 + len(id) + len(m.Revisions)) }

// Fence is the newest token granted of a lock.
type Fence struct {
	Token  int64
	UsedAt int64 // microseconds since 1970, to within FenceUse
}

// FenceUse is for how long the use of a lock is not noted again.
const FenceUse = time.Hour

// Hold is that an instance holds a lock, or held it: those that ended are kept
// until the lock changes again.
type Hold struct {
	InstanceID string
	Exclusive  bool
	Token      int64
	ExpiresAt  int64 // microseconds since 1970
}

// JoinHolds is for a table of which one value takes several rows. some is nil before the first.
func JoinHolds(some, more any) any {
	holds, _ := some.([]Hold)
	return append(holds, more.([]Hold)...)
}
