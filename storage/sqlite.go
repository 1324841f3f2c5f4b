package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"entgo.io/ent/dialect"
	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"
)

// ErrInUse says that another process has the database open.
var ErrInUse = errors.New("another process has it open")

// OpenSQLite opens the database in a directory, and makes both if they are not
// there. The directory belongs to this process until Close. Errors are one
// line meant for the operator; errors.Is knows ErrInUse and those of fs.
func OpenSQLite(ctx context.Context, dir string) (*DB, error) {
	db, err := openSQLite(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("cannot open the SQLite database in %q: %w", dir, explainSQLite(err))
	}
	return db, nil
}

func openSQLite(ctx context.Context, dir string) (_ *DB, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err = os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	warning, err := checkDir(dir)
	if err != nil {
		return nil, err
	}
	used := isUsed(dir)
	release, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	if _, err := finishRestore(dir); err != nil {
		return nil, errors.Join(fmt.Errorf("complete the restore that was interrupted: %w", err), release())
	}
	if err := checkLogOwner(dir); err != nil {
		return nil, errors.Join(err, release())
	}
	warnings, err := prepareFiles(dir, used)
	if err != nil {
		return nil, errors.Join(err, release())
	}
	db, err := openSQLiteFile(ctx, filepath.Join(dir, sqliteFile))
	if err != nil {
		return nil, errors.Join(err, release())
	}
	if warning != "" {
		warnings = append(warnings, warning)
	}
	db.Warnings, db.release, db.dir = warnings, release, dir
	return db, nil
}

func openSQLiteFile(ctx context.Context, path string) (_ *DB, err error) {
	watched, err := watchFiles(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, watched.close())
		}
	}()
	write, err := openPool(sqliteURL(path, "_txlock=immediate&_pragma="+checkpointing+"&_pragma="+cutting), watched, true)
	if err != nil {
		return nil, err
	}
	write.SetMaxOpenConns(1)
	if err := write.PingContext(ctx); err != nil { // makes the file a WAL one, before readers come
		return nil, errors.Join(err, write.Close())
	}
	read, err := openPool(sqliteURL(path, "_query_only=1"), watched, false)
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	readers := max(4, runtime.GOMAXPROCS(0))
	read.SetMaxOpenConns(readers)
	read.SetMaxIdleConns(readers)
	db := newDB(dialect.SQLite, path, write, read)
	db.kind = onSQLite{dir: filepath.Dir(path), write: write, read: read}
	db.files = watched
	return db, nil
}

// checkpointing has the log folded into the file every 4000 pages, which is
// 16 MiB. With more pages at a time, more of them are found changed twice and
// written once: SQLite's own 1000 cost a third of the writes per second.
const checkpointing = "wal_autocheckpoint(4000)"

// cutting has SQLite cut the log off when it begins it anew. It would stay as long as a
// reader once made it.
var cutting = fmt.Sprintf("journal_size_limit(%d)", maxLog)

// busyTimeout, in milliseconds, matters only when an operator's tool has the
// file open.
const busyTimeout = 10_000

// sqliteURL names the file. A commit returns when the disk has it: synchronous
// FULL.
func sqliteURL(path, query string) string {
	u := url.URL{Scheme: "file", Path: path, RawQuery: fmt.Sprintf(
		"%s&_journal_mode=WAL&_synchronous=FULL&_foreign_keys=1&_busy_timeout=%d&_dqs=0&_error_rc=1", query, busyTimeout)}
	return u.String()
}

// explainSQLite says in an operator's words what SQLite calls otherwise.
func explainSQLite(err error) error {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff {
		case sqlitelib.SQLITE_NOTADB, sqlitelib.SQLITE_CORRUPT:
			return fmt.Errorf("%s is damaged, or not an SQLite database; restore it from a backup: %w", sqliteFile, err)
		case sqlitelib.SQLITE_FULL:
			return fmt.Errorf("the disk is full: %w", err)
		case sqlitelib.SQLITE_IOERR:
			if e.Code() == sqlitelib.SQLITE_IOERR_SHMSIZE { // no room for the file beside the log
				return fmt.Errorf("the disk is full: %w", err)
			}
			return fmt.Errorf("the disk fails: %w", err)
		case sqlitelib.SQLITE_READONLY, sqlitelib.SQLITE_PERM, sqlitelib.SQLITE_CANTOPEN:
			return fmt.Errorf("this user may not write there: %w", err)
		}
	}
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("the disk is full: %w", err)
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("this is not a directory: %w", err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("this user may not write there: %w", err)
	}
	return err
}
