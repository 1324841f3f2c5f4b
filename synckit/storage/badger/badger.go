// Package badger keeps events in a directory, with BadgerDB.
//
// What is stored is on disk when a call returns, unless that is turned off. A
// directory belongs to one process at a time.
package badger

import (
	"context"
	"fmt"
	"log"
	"strings"
	"sync"
	"time"

	"github.com/dgraph-io/badger/v4"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/storage/internal/signal"
	"syncline/synckit/storage/internal/stored"
)

// Config says where and how a Store keeps its events.
type Config struct {
	// Dir is the directory; it is made if there is none. Required.
	Dir string
	// DisableSyncWrites makes writes faster, and loses the newest when the machine
	// (not just the process) stops.
	DisableSyncWrites bool
	// Logger gets what BadgerDB warns of; nil: nothing.
	Logger *log.Logger
	// ParseVersion reads versions of the app's own kinds. What it cannot read, and
	// all of them if it is nil, have their position as version when they are loaded.
	ParseVersion func(text string) (synckit.Version, error)
}

// Store is a synckit.Log in BadgerDB.
type Store struct {
	db      *badger.DB
	parse   stored.ParseVersion
	changed signal.Signal
	times   stored.Times
	writing chan struct{} // holds a token while somebody writes: positions are given one by one

	mu     sync.RWMutex // held for reading by each call, so that Close waits
	closed bool
}

var (
	_ synckit.Log          = (*Store)(nil)
	_ synckit.ReviewFinder = (*Store)(nil)
	_ synckit.ReviewMarker = (*Store)(nil)
	_ synckit.Dropper      = (*Store)(nil)
)

// Values above this size stand outside the index, and do not count against the
// size of a transaction.
const valueThreshold = 1 << 10

// The sizes of files and caches: smaller than BadgerDB's own, for many a program
// keeps its events beside other work.
const (
	valueLogFileSize = 256 << 20
	blockCacheSize   = 32 << 20
)

// New opens a store. It waits up to five seconds for another that has the directory.
func New(config *Config) (*Store, error) {
	const op = "open badger store"
	if config == nil || config.Dir == "" {
		return nil, errors.New(errors.InvalidOptions, op, fmt.Errorf("the directory is missing"))
	}
	options := badger.DefaultOptions(config.Dir).
		WithSyncWrites(!config.DisableSyncWrites).
		WithDetectConflicts(false). // there is one writer
		WithValueThreshold(valueThreshold).
		WithValueLogFileSize(valueLogFileSize).
		WithBlockCacheSize(blockCacheSize).
		WithLogger(warnings{config.Logger})
	db, err := open(options)
	if err != nil {
		return nil, coded(op, err)
	}
	s := &Store{db: db, parse: config.ParseVersion, writing: make(chan struct{}, 1)}
	err = s.db.Update(checkSchema)
	if err == nil {
		err = s.db.View(s.learnTime)
	}
	if err != nil {
		_ = s.Close() // the error that counts is the one before
		return nil, coded(op, err)
	}
	return s, nil
}

// lockWait is how long New waits while the directory is locked. A store that was closed
// may be locked for a moment longer: a process that its program was just starting has
// the lock, too, until it is a program of its own.
const lockWait = 5 * time.Second

func open(options badger.Options) (*badger.DB, error) {
	began := time.Now()
	for {
		db, err := badger.Open(options)
		if err == nil || !strings.Contains(err.Error(), "Cannot acquire directory lock") || time.Since(began) > lockWait {
			return db, err
		}
		<-time.After(lockWait / 250)
	}
}

// schema is the version of the keys and values.
const schema = 1

func checkSchema(txn *badger.Txn) error {
	found, err := getNumber(txn, keySchema)
	switch {
	case err != nil:
		return err
	case found > schema:
		return errors.New(errors.Unsupported, "open badger store",
			fmt.Errorf("the directory is of version %d, made by a newer release; this one knows %d", found, schema))
	}
	return txn.Set(keySchema, number(schema))
}

// learnTime goes on after the greatest time that was seen, though the wall clock was set
// back meanwhile. Damage is told of by who reads the event.
func (s *Store) learnTime(txn *badger.Txn) error {
	if latest, err := getNumber(txn, keyLatest); err == nil && latest > 0 {
		newest, _ := getEvent(txn, synckit.Position(latest))
		s.times.Seen(newest.Time())
		mark, _ := get(txn, cursorKey(stored.MarkPeer, stored.MarkDirection))
		s.times.Resume(string(mark))
	}
	return nil
}

// Close implements synckit.EventStore. It waits for calls in progress.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	return coded("close", s.db.Close())
}

// Changed implements synckit.Log.
func (s *Store) Changed() <-chan struct{} { return s.changed.Changed() }

// ParseVersion reads a version from its text: a position, a vector clock, a
// hybrid logical time, or one of the app's own kind.
func (s *Store) ParseVersion(_ context.Context, text string) (synckit.Version, error) {
	return s.parse.Parse(text)
}

// view runs an operation that reads, on one snapshot.
func (s *Store) view(ctx context.Context, op string, read func(txn *badger.Txn) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx, op); err != nil {
		return err
	}
	return s.failed(ctx, op, s.db.View(read))
}

// update runs an operation that writes; no other does meanwhile.
func (s *Store) update(ctx context.Context, op string, write func(txn *badger.Txn) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx, op); err != nil {
		return err
	}
	select {
	case s.writing <- struct{}{}:
		defer func() { <-s.writing }()
	case <-ctx.Done():
		return stored.Ended(op, ctx.Err())
	}
	return s.failed(ctx, op, s.db.Update(write))
}

// usable is called with the lock held.
func (s *Store) usable(ctx context.Context, op string) error {
	if s.closed {
		return errors.New(errors.Closed, op, nil)
	}
	if err := ctx.Err(); err != nil {
		return stored.Ended(op, err)
	}
	return nil
}

func (s *Store) failed(ctx context.Context, op string, err error) error {
	if err != nil && ctx.Err() != nil {
		return stored.Ended(op, ctx.Err())
	}
	return coded(op, err)
}

// coded leaves errors that have a code as they are.
func coded(op string, err error) error {
	switch {
	case err == nil || errors.CodeOf(err) != "":
		return err
	case err == badger.ErrTxnTooBig: //nolint:errorlint // as BadgerDB's own code does
		return errors.New(errors.TooLarge, op, err)
	}
	return errors.New(errors.StorageFailed, op, err)
}

// warnings passes on what BadgerDB has to say that somebody should know.
type warnings struct{ to *log.Logger }

func (w warnings) Errorf(format string, args ...any)   { w.printf(format, args...) }
func (w warnings) Warningf(format string, args ...any) { w.printf(format, args...) }
func (warnings) Infof(string, ...any)                  {}
func (warnings) Debugf(string, ...any)                 {}

func (w warnings) printf(format string, args ...any) {
	if w.to != nil {
		w.to.Printf(format, args...)
	}
}
