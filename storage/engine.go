package storage

import (
	"context"

	"syncline/record"
	"syncline/storage/commit"
	"syncline/storage/postgres"
	"syncline/storage/sqlite"
)

// How many transactions a PostgreSQL has at a time. One worker works while the
// other waits for its commit; more make the batches smaller and each write
// dearer.
const (
	maxWorkers = 2
	maxWaiters = 4
)

// NewEngine makes what carries out all units of work on the database. A process
// has one, so that they share transactions.
func (db *DB) NewEngine() *commit.Engine {
	if !db.postgres() {
		return commit.New(sqlite.New(db.write), 1, 0)
	}
	// Others have at least half of four connections, or of more; of three they
	// have one, and of two none while all workers wait.
	some := max(1, int(db.pool.Config().MaxConns)/4)
	return commit.New(postgres.New(db.pool), min(maxWorkers, some), min(maxWaiters, some))
}

// Reader reads rows by their keys, beside the writers.
type Reader interface {
	// Read reads one state of the database; keys are sorted. found is called for
	// each key whose row exists. Errors are *commit.Failure, the context's, or
	// faults of this program.
	Read(ctx context.Context, keys []commit.Key, found func(key commit.Key, value any)) error
	// Account reads an owner's account: zeros and the epoch if there is none. Errors are
	// the driver's.
	Account(ctx context.Context, owner record.Owner) (record.Account, error)
	// Changes reads a span of an owner's feed and the account, at one instant. Whether the
	// epoch is the reader's is left to the caller. Errors are the driver's.
	Changes(ctx context.Context, owner record.Owner, span record.Span) (record.Snapshot, error)
}

// Rows reads rows of the database.
func (db *DB) Rows() Reader {
	if db.postgres() {
		return postgres.NewReader(db.pool)
	}
	return sqlite.NewReader(db.read)
}
