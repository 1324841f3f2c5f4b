package sqlite

import (
	"context"
	stderrors "errors"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"syncline/synckit/errors"
)

// causes name what an operator can mend, in an error's metadata.
var causes = map[int]string{
	sqlite3.SQLITE_FULL:     "the disk is full",
	sqlite3.SQLITE_READONLY: "the database is read-only",
	sqlite3.SQLITE_BUSY:     "another process holds the database",
	sqlite3.SQLITE_LOCKED:   "another connection holds the database",
	sqlite3.SQLITE_CORRUPT:  "the file is damaged",
	sqlite3.SQLITE_NOTADB:   "the file is no database",
	sqlite3.SQLITE_CANTOPEN: "the file cannot be opened",
	sqlite3.SQLITE_IOERR:    "the disk failed",
	sqlite3.SQLITE_TOOBIG:   "the event is too large for SQLite",
}

// coded leaves errors that have a code as they are.
func coded(op string, err error) error {
	if err == nil || errors.CodeOf(err) != "" {
		return err
	}
	code, metadata := errors.StorageFailed, errors.Metadata{}
	result := primary(err)
	if result == sqlite3.SQLITE_TOOBIG {
		code = errors.TooLarge
	}
	if cause, ok := causes[result]; ok {
		metadata["cause"] = cause
	}
	return errors.New(code, op, err, metadata)
}

// primary is SQLite's result code without its detail; 0 if the error is not SQLite's.
func primary(err error) int {
	if e, ok := stderrors.AsType[*sqlite.Error](err); ok {
		return e.Code() & 0xff
	}
	return sqlite3.SQLITE_OK
}

// How long, and how often, an operation is tried on a database that is locked.
const (
	lockTimeout = 5 * time.Second
	lockPause   = 2 * time.Millisecond
)

// untilUnlocked tries again while another connection to the same shared cache
// holds a lock: for that SQLite has no timeout of its own.
func untilUnlocked(ctx context.Context, run func() error) error {
	deadline := time.Now().Add(lockTimeout)
	for {
		err := run()
		if primary(err) != sqlite3.SQLITE_LOCKED || time.Now().After(deadline) {
			return err
		}
		select {
		case <-time.After(lockPause):
		case <-ctx.Done():
			return err
		}
	}
}
