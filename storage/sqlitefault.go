package storage

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"

	"syncline/storage/commit"
)

// Fault is what is wrong with the database's files for good: nothing is written any
// more, and what can be read is read.
type Fault struct {
	state  string
	advice string
	err    error
}

// Error says what is wrong and what to do.
func (f *Fault) Error() string { return fmt.Sprintf("%v: %s", f.err, f.advice) }

// Unwrap is how it was noticed.
func (f *Fault) Unwrap() error { return f.err }

// State is one word: gone or damaged.
func (f *Fault) State() string { return f.state }

// retryAfterFault is how long clients wait: for an operator.
const retryAfterFault = 30 * time.Second

const (
	adviceGone    = "nothing is written any more. What this process still has open can be copied from /proc/PID/fd; stop it, put the files back or restore a backup, and start it again"
	adviceDamaged = "nothing is written any more, and what is whole is read. Stop the server, check the disk, and restore a backup"
)

// files watches over the files of an open SQLite database. A process goes on writing
// to a file that was removed or replaced, into nowhere.
//
// While SQLite has a file open, this process may close no other use of it: the system
// then drops SQLite's locks on it, and another process that closes the database takes itself
// for the last one and removes the log. So what is read past SQLite is read by file,
// which is open from before SQLite's first connection until after its last.
type files struct {
	path  string
	file  *os.File
	info  os.FileInfo // of the database as it was opened
	fault atomic.Pointer[Fault]
	tell  atomic.Pointer[func(error)]
}

// watchFiles opens the database's file, which close closes.
func watchFiles(path string) (*files, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &files{path: path, file: f, info: info}, nil
}

// close comes after all of SQLite's connections are closed.
func (f *files) close() error { return f.file.Close() }

// present fails if the database is not at its place any more, or the log, if that
// is known, is not.
func (f *files) present(log os.FileInfo) error {
	if fault := f.fault.Load(); fault != nil {
		return fault
	}
	for _, file := range []struct {
		path string
		was  os.FileInfo
	}{{f.path, f.info}, {f.path + "-wal", log}} {
		if file.was == nil {
			continue
		}
		is, err := os.Stat(file.path)
		if err == nil && !os.SameFile(is, file.was) {
			err = fmt.Errorf("another file is at %s", file.path)
		}
		if errors.Is(err, os.ErrPermission) { // it may be there
			continue
		}
		if err != nil {
			return f.met(&Fault{state: "gone", advice: adviceGone, err: fmt.Errorf("the database was removed or replaced while it was in use: %w", err)})
		}
	}
	return nil
}

// note takes note of an error that tells of damage, and passes it on.
func (f *files) note(err error) error {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff {
		case sqlitelib.SQLITE_CORRUPT, sqlitelib.SQLITE_NOTADB:
			_ = f.met(&Fault{state: "damaged", advice: adviceDamaged, err: fmt.Errorf("%s is damaged: %w", f.path, err)})
		}
	}
	return err
}

// met keeps the first fault.
func (f *files) met(fault *Fault) error {
	if !f.fault.CompareAndSwap(nil, fault) {
		return f.fault.Load()
	}
	if tell := f.tell.Load(); tell != nil {
		(*tell)(fault)
	}
	return fault
}

// refusal is how the engine is told that a transaction cannot begin.
func refusal(err error) error {
	return &commit.Failure{Outcome: commit.Refused, RetryAfter: retryAfterFault, Err: err}
}

// checkedTx is a transaction that is not said to stand if the files are gone.
type checkedTx struct {
	driver.Tx
	conn *loggingConn
}

// Commit implements driver.Tx.
func (t checkedTx) Commit() error {
	if err := t.conn.files.note(t.Tx.Commit()); err != nil {
		return err
	}
	return t.conn.files.present(t.conn.info)
}

// notingRows tell of damage that is met on the way.
type notingRows struct {
	driver.Rows
	files *files
}

// Next implements driver.Rows.
func (r notingRows) Next(dest []driver.Value) error { return r.files.note(r.Rows.Next(dest)) }
