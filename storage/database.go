// Package storage keeps everything that outlives the process: this package opens the
// databases, brings their tables up to date and begins epochs, and those below it
// read and write them.
package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"time"

	entsql "entgo.io/ent/dialect/sql"
	"github.com/pressly/goose/v3"

	"syncline/ent"
	"syncline/record"
	"syncline/storage/commit"
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

	kind        kind
	write, read *sql.DB
	place       string       // names the database in errors, without secrets
	release     func() error // lets go of the database for other processes; may be nil
	dir         string       // of SQLite's files; empty otherwise
	files       *files       // SQLite's; nil otherwise
}

// kind is what SQLite and PostgreSQL do each in its own way.
type kind interface {
	engine() *commit.Engine
	rows() Reader
	// clock is the time by the clock of the database's machine.
	clock(ctx context.Context) (time.Time, error)
	// size adds what the database takes.
	size(ctx context.Context, into *Size) error
	pools() map[string]func() sql.DBStats
	migrations() (goose.Dialect, fs.FS, []goose.ProviderOption, error)
	// hasTables is a query for a number that is 0 if nothing of syncline was ever kept.
	hasTables() string
	// tableNames is a query for the names of all tables.
	tableNames() string
	// lockOutWriters waits for the writers in progress and keeps new ones waiting,
	// so that none writes in the old epoch what the new one does not know.
	lockOutWriters(ctx context.Context, tx *ent.Tx) error
	// mayIdle lets a transaction wait for the other side of a move for as long as that takes.
	mayIdle(ctx context.Context, tx *sql.Tx) error
	// keepOut keeps writers out of what a move reads.
	keepOut(ctx context.Context, tx *sql.Tx) error
	// insertAll inserts rows, of which next answers one after the other and nil at the end, in a transaction
	// on a connection.
	insertAll(ctx context.Context, conn *sql.Conn, tx *sql.Tx, table string, columns []string, next func() ([]any, error)) error
	close()
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
	var tables int
	if err := db.read.QueryRowContext(ctx, db.kind.hasTables()).Scan(&tables); err != nil {
		return fmt.Errorf("look for the tables of %s: %w", db.place, explainSQLite(err))
	}
	if tables == 0 {
		return fmt.Errorf("%w in %s", ErrNoDatabase, db.place)
	}
	return nil
}

// Clock is the time by the clock of the database's machine.
func (db *DB) Clock(ctx context.Context) (time.Time, error) {
	now, err := db.kind.clock(ctx)
	if err != nil {
		return now, fmt.Errorf("ask %s for the time: %w", db.place, err)
	}
	return now, nil
}

// Close ends all connections and lets other processes open the database. It waits
// for statements in progress: on PostgreSQL for 2 seconds.
func (db *DB) Close() error {
	errs := []error{db.read.Close()}
	if db.write != db.read { // the writer last: it folds the write-ahead log into the file
		errs = append(errs, db.write.Close())
	}
	db.kind.close()
	if db.files != nil {
		errs = append(errs, db.files.close())
	}
	if db.release != nil {
		errs = append(errs, db.release())
	}
	return errors.Join(errs...)
}

// Directory is where SQLite's files are; empty for a database that has a server of its own.
func (db *DB) Directory() string { return db.dir }

// NewEngine makes what carries out all units of work on the database. A process
// has one, so that they share transactions.
func (db *DB) NewEngine() *commit.Engine { return db.kind.engine() }

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
func (db *DB) Rows() Reader { return db.kind.rows() }
