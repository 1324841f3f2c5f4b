// Package sqlite keeps events in an SQLite file.
//
// What is stored is on disk when a call returns: synchronous=FULL, in both
// journal modes. One connection writes and others read beside it. Several
// processes may use one file; they wait for one another's writes for up to five
// seconds. Changed tells of what was committed through the same Store.
package sqlite

import (
	"context"
	"database/sql"
	"log"
	"strings"
	"sync/atomic"

	sqlite3 "modernc.org/sqlite/lib"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/storage/internal/signal"
	"syncline/synckit/storage/internal/stored"
)

// Store is a synckit.Log in an SQLite file.
type Store struct {
	write, read *sql.DB // the same for what is in memory
	statements  statements
	parse       stored.ParseVersion
	logger      *log.Logger
	changed     signal.Signal
	closed      atomic.Bool
	queue       queue
	times       stored.Times
}

var (
	_ synckit.Log          = (*Store)(nil)
	_ synckit.ReviewFinder = (*Store)(nil)
	_ synckit.ReviewMarker = (*Store)(nil)
	_ synckit.Dropper      = (*Store)(nil)
)

func init() {
	synckit.OfferStore("sqlite", func(source string) (synckit.EventStore, error) { return NewWithDataSource(source) })
}

// NewWithDataSource opens a store with the defaults.
func NewWithDataSource(dataSourceName string) (*Store, error) {
	return New(&Config{DataSourceName: dataSourceName})
}

// New opens a store, and makes its tables where there are none.
func New(config *Config) (*Store, error) {
	if config == nil {
		return nil, contradiction("the configuration is missing")
	}
	c := config.withDefaults()
	if err := c.check(); err != nil {
		return nil, err
	}
	s := &Store{statements: statementsFor(c.TableName), parse: c.ParseVersion, logger: c.Logger}
	if err := s.open(c); err != nil {
		_ = s.Close() // the error that counts is the one before
		return nil, coded("open sqlite store", err)
	}
	return s, nil
}

func (s *Store) open(c Config) (err error) {
	inMemory := isMemory(c.DataSourceName)
	if inMemory || c.MaxOpenConns == 1 { // each connection would have a database of its own
		if s.write, err = openPool(c, writing(c), 1, inMemory); err != nil {
			return err
		}
		s.read = s.write
	} else {
		if s.write, err = openPool(c, writing(c), 1, false); err != nil {
			return err
		}
		if s.read, err = openPool(c, reading, c.MaxOpenConns-1, false); err != nil {
			return err
		}
	}
	ctx := context.Background()
	// The writer first: it sets the journal mode, which it cannot beside readers.
	if err := untilUnlocked(ctx, func() error { return s.write.PingContext(ctx) }); err != nil && primary(err) != sqlite3.SQLITE_READONLY {
		return err
	}
	return untilUnlocked(ctx, func() error { return s.migrate(ctx, c.TableName) })
}

// The settings of the two kinds of connections. _txlock takes the write lock as
// a transaction begins: one that reads first could not go on to write. What a savepoint
// may have to undo stays in memory, not in a file: it is a few pages for each event of a
// group. The write-ahead log is copied at 16 MB, so that a page that is written often is
// copied once.
func writing(c Config) string {
	journal := "WAL"
	if c.DisableWAL {
		journal = "DELETE"
	}
	return "_txlock=immediate&_pragma=busy_timeout(5000)&_pragma=synchronous(FULL)&_pragma=temp_store(memory)&_pragma=wal_autocheckpoint(4000)&_pragma=journal_mode(" + journal + ")"
}

const reading = "_pragma=busy_timeout(5000)&_pragma=query_only(1)"

func openPool(c Config, settings string, connections int, forever bool) (*sql.DB, error) {
	separator := "?"
	if strings.Contains(c.DataSourceName, "?") {
		separator = "&"
	}
	db, err := sql.Open("sqlite", c.DataSourceName+separator+settings)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(c.MaxIdleConns)
	if !forever { // else the data would go with the connection
		db.SetConnMaxLifetime(c.ConnMaxLifetime)
		db.SetConnMaxIdleTime(c.ConnMaxIdleTime)
	}
	return db, nil
}

func isMemory(dataSourceName string) bool {
	return strings.Contains(dataSourceName, ":memory:") || strings.Contains(dataSourceName, "mode=memory")
}

// Close implements synckit.EventStore. It waits for calls in progress.
func (s *Store) Close() error {
	s.closed.Store(true)
	s.queue.close()
	var first error
	for _, db := range []*sql.DB{s.read, s.write} { // the writer last: it folds the write-ahead log into the file
		if db == nil {
			continue
		}
		if err := db.Close(); err != nil && first == nil {
			first = coded("close", err)
		}
	}
	return first
}

// Changed implements synckit.Log.
func (s *Store) Changed() <-chan struct{} { return s.changed.Changed() }

// ParseVersion reads a version from its text: a position, a vector clock, a
// hybrid logical time, or one of the app's own kind.
func (s *Store) ParseVersion(_ context.Context, text string) (synckit.Version, error) {
	return s.parse.Parse(text)
}

// do runs an operation that reads.
func (s *Store) do(ctx context.Context, op string, run func() error) error {
	if err := s.usable(ctx, op); err != nil {
		return err
	}
	return s.failed(ctx, op, untilUnlocked(ctx, run))
}

// failed gives an error a code. What broke because of a close or the context is
// called by that.
func (s *Store) failed(ctx context.Context, op string, err error) error {
	if err == nil || errors.CodeOf(err) != "" {
		return err
	}
	if cause := s.usable(ctx, op); cause != nil {
		return cause
	}
	return coded(op, err)
}

func (s *Store) usable(ctx context.Context, op string) error {
	if s.closed.Load() {
		return errors.New(errors.Closed, op, nil)
	}
	if err := ctx.Err(); err != nil {
		return stored.Ended(op, err)
	}
	return nil
}
