// Package storage keeps everything that outlives the process: this package opens the
// databases, brings their tables up to date and begins epochs, and those below it
// read and write them.
package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
	"github.com/jackc/pgx/v5/pgxpool"

	"syncline/ent"
	"syncline/ent/epoch"
	"syncline/record"
	"syncline/storage/commit"
	"syncline/storage/postgres"
	"syncline/storage/sqlite"
)

// DB is an open database.
type DB struct {
	// Write is for transactions that write. On SQLite it has one connection,
	// and its transactions take the write lock as they begin.
	Write *ent.Client
	// Read is for everything else. On SQLite its connections cannot write.
	Read *ent.Client
	// Dialect is Ent's name of the kind of database: dialect.SQLite or dialect.Postgres.
	Dialect string
	// Warnings are what an operator should know of the files, one line each.
	Warnings []string

	write, read *sql.DB
	pool        *pgxpool.Pool // of PostgreSQL, where write and read take their connections from it
	place       string        // names the database in errors, without secrets
	release     func() error  // lets go of the database for other processes; may be nil
	noncesMark  string        // the path of SQLite's; empty otherwise
	files       *files        // SQLite's; nil otherwise
}

func newDB(name, place string, write, read *sql.DB) *DB {
	db := &DB{Dialect: name, place: place, write: write, read: read}
	db.Write = ent.NewClient(ent.Driver(entsql.OpenDB(name, write)))
	db.Read = db.Write
	if read != write {
		db.Read = ent.NewClient(ent.Driver(entsql.OpenDB(name, read)))
	}
	return db
}

// Ping tells whether the database answers readers. It does not wait for writers. The
// error is a *Fault if it will never be whole again by itself.
func (db *DB) Ping(ctx context.Context) error {
	if db.files != nil {
		if err := db.files.present(nil); err != nil {
			return err
		}
	}
	return db.read.PingContext(ctx)
}

// OnFault has tell called, once, when a fault is met.
func (db *DB) OnFault(tell func(error)) {
	if db.files != nil {
		db.files.tell.Store(&tell)
	}
}

// Place names the database for people, without secrets.
func (db *DB) Place() string { return db.place }

// MustHaveTables is ErrNoDatabase if nothing of syncline was ever kept here.
func (db *DB) MustHaveTables(ctx context.Context) error {
	query := "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = '" + epoch.Table + "'"
	if db.postgres() {
		query = "SELECT count(to_regclass('" + epoch.Table + "'))"
	}
	var tables int
	if err := db.read.QueryRowContext(ctx, query).Scan(&tables); err != nil {
		return fmt.Errorf("look for the tables of %s: %w", db.place, explainSQLite(err))
	}
	if tables == 0 {
		return fmt.Errorf("%w in %s", ErrNoDatabase, db.place)
	}
	return nil
}

// Clock is the time by the clock of the database's machine.
func (db *DB) Clock(ctx context.Context) (time.Time, error) {
	if !db.postgres() {
		return time.Now(), nil
	}
	var now time.Time
	if err := db.read.QueryRowContext(ctx, "SELECT clock_timestamp()").Scan(&now); err != nil {
		return now, fmt.Errorf("ask %s for the time: %w", db.place, err)
	}
	return now, nil
}

// closeTime is how long the end of connections to PostgreSQL is waited for. One that
// does not answer keeps nobody from ending.
const closeTime = 2 * time.Second

// Close ends all connections and lets other processes open the database. It waits
// for statements in progress: on PostgreSQL for 2 seconds.
func (db *DB) Close() error {
	errs := []error{db.read.Close()}
	if db.write != db.read { // the writer last: it folds the write-ahead log into the file
		errs = append(errs, db.write.Close())
	}
	if db.pool != nil {
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			db.pool.Close()
		}()
		select {
		case <-closed:
		case <-time.After(closeTime):
		}
	}
	if db.files != nil {
		errs = append(errs, db.files.close())
	}
	if db.release != nil {
		errs = append(errs, db.release())
	}
	return errors.Join(errs...)
}

func (db *DB) postgres() bool { return db.Dialect == dialect.Postgres }

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
	// each key whose row exists; where the value takes several rows, row.Holds, perhaps
	// once for each of them, and the last time tells all. Errors are *commit.Failure, the context's, or
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
		return postgres.New(db.pool)
	}
	return sqlite.New(db.read)
}
