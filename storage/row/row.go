// Package row is what both dialects keep: the tables that units of work name,
// and the value of a row in each.
package row

import (
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
	Fences                            // int64: the newest token granted of a lock, by its name
)

// PresentEpoch is the key of the one row of Epochs.
var PresentEpoch = commit.Key{Table: Epochs}

// AccountOf is the key of an owner's account.
func AccountOf(owner commit.Owner) commit.Key { return commit.Key{Table: Accounts, Owner: owner} }

// Epoch is one history of the database.
type Epoch struct {
	Name record.Epoch
	Base int64 // revisions and fence tokens of every owner go on above it
}

// Account is an owner's counters.
type Account struct {
	Head, Floor              int64
	RecordCount, StoredBytes int64
	FenceToken               int64 // the newest token taken for any lock
}

// Mutation is what is remembered of an accepted write with a mutation id.
type Mutation struct {
	Digest    []byte // SHA-256 of the content
	Revisions []byte // of each write in order, as varints
	Head      int64  // the owner's, after the write
	AppliedAt int64  // microseconds since 1970
}
