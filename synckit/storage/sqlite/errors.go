package sqlite

import (
	stderrors "errors"

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
	if e, ok := stderrors.AsType[*sqlite.Error](err); ok {
		primary := e.Code() & 0xff // the rest is detail
		if primary == sqlite3.SQLITE_TOOBIG {
			code = errors.TooLarge
		}
		if cause, ok := causes[primary]; ok {
			metadata["cause"] = cause
		}
	}
	return errors.New(code, op, err, metadata)
}
