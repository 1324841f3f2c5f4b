package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
	"github.com/gofrs/flock"

	"syncline/ent"
	"syncline/ent/epoch"
)

// Contents is what a database holds, for people.
type Contents struct {
	Owners, Records int   // with tombstones
	Epoch           int   // counted from 1
	Bytes           int64 // of its file
}

func (c Contents) String() string {
	return fmt.Sprintf("%d owners, %d records, %d bytes, epoch %d", c.Owners, c.Records, c.Bytes, c.Epoch)
}

// ErrNoDatabase says that there is no database where one is expected.
var ErrNoDatabase = errors.New("there is no database of syncline")

// Backup is a whole copy of an SQLite database, read once and found to be sound, in
// a scratch file.
type Backup struct {
	Contents Contents
	file     *os.File
	lock     *flock.Flock
}

// BackupSQLite copies the database in a directory as it is at one moment. It may run
// beside a server, which goes on writing. The scratch file is readable by this
// user alone; if it is there already, it is what a backup that was killed has left,
// and is written over. Where there is no database the error is ErrNoDatabase.
// Whoever gets a backup closes it.
func BackupSQLite(ctx context.Context, dir, scratch string) (*Backup, error) {
	b, err := backupSQLite(ctx, dir, scratch)
	if err != nil {
		return nil, fmt.Errorf("cannot back up the SQLite database in %q: %w", dir, explainSQLite(err))
	}
	return b, nil
}

func backupSQLite(ctx context.Context, dir, scratch string) (_ *Backup, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if scratch, err = filepath.Abs(scratch); err != nil {
		return nil, err
	}
	if isThere(filepath.Join(dir, restoredFile)) {
		return nil, errors.New("a restore was interrupted in it: start the server, which completes it, and back up then")
	}
	source := filepath.Join(dir, sqliteFile)
	if err := mustBeRegular(source); err != nil {
		return nil, err
	}
	if !isThere(source) {
		return nil, ErrNoDatabase
	}
	lock, err := lockScratch(scratch)
	if err != nil {
		return nil, err
	}
	b := &Backup{lock: lock}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Close())
		}
	}()
	if err := os.Truncate(scratch, 0); err != nil {
		return nil, err
	}
	if err := os.Chmod(scratch, 0o600); err != nil {
		return nil, err
	}
	if err := copySQLite(ctx, source, scratch); err != nil {
		return nil, fmt.Errorf("copy: %w", err)
	}
	if b.Contents, err = inspect(ctx, scratch); err != nil {
		return nil, fmt.Errorf("the copy is not sound: %w", err)
	}
	if b.file, err = os.Open(scratch); err != nil {
		return nil, err
	}
	if err := b.file.Sync(); err != nil {
		return nil, err
	}
	return b, nil
}

// lockScratch makes and locks a scratch file that has no other name. One that has is a
// whole backup, whose maker was killed when it had named it: then only the name of the scratch
// file is removed. A file that another backup has removed meanwhile is not used.
func lockScratch(path string) (*flock.Flock, error) {
	for {
		lock := flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW), flock.SetPermissions(0o600))
		got, err := lock.TryLock()
		if err != nil {
			return nil, fmt.Errorf("the scratch file: %w", err)
		}
		if !got {
			return nil, fmt.Errorf("another backup is writing %s", path)
		}
		locked, err := lock.Stat()
		if err != nil {
			return nil, errors.Join(fmt.Errorf("the scratch file: %w", err), lock.Close())
		}
		named, err := os.Lstat(path)
		isNamed := err == nil && os.SameFile(named, locked)
		stat, ok := locked.Sys().(*syscall.Stat_t)
		if isNamed && (!ok || stat.Nlink <= 1) {
			return lock, nil
		}
		if isNamed {
			err = removeIfThere(path)
		} else if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		if err = errors.Join(err, lock.Close()); err != nil {
			return nil, fmt.Errorf("the scratch file: %w", err)
		}
	}
}

// copySQLite copies a database at one moment, in one transaction that waits for
// nobody. SQLite's backup interface would begin from the start at each commit of
// another process.
func copySQLite(ctx context.Context, from, to string) error {
	db, err := sql.Open("sqlite", readOnlyURL(from))
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "VACUUM INTO ?", to)
	return errors.Join(err, db.Close())
}

func readOnlyURL(path string) string {
	u := url.URL{Scheme: "file", Path: path, RawQuery: fmt.Sprintf("mode=ro&_busy_timeout=%d&_error_rc=1", busyTimeout)}
	return u.String()
}

// inspect reads all of a database's file, which nobody else has open.
func inspect(ctx context.Context, path string) (c Contents, err error) {
	db, err := sql.Open("sqlite", readOnlyURL(path))
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	faults, err := queryStrings(ctx, db, "PRAGMA integrity_check(3)")
	if err != nil {
		return c, err
	}
	if said := strings.Join(faults, "; "); said != "ok" {
		return c, fmt.Errorf("SQLite finds it damaged: %s", said)
	}
	size, err := queryStrings(ctx, db, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
	if err != nil {
		return c, err
	}
	if c, err = contents(ctx, db, path); err != nil {
		return c, err
	}
	if size[0] != strconv.FormatInt(c.Bytes, 10) { // SQLite takes the end of the last page for zeros
		return c, fmt.Errorf("it has %d bytes of %s", c.Bytes, size[0])
	}
	return c, nil
}

// LookAtSQLite tells what is in a directory's database, also beside a server. It
// changes nothing and does not look for damage. The error is ErrNoDatabase where
// there is none.
func LookAtSQLite(ctx context.Context, dir string) (c Contents, err error) {
	path, err := filepath.Abs(filepath.Join(dir, sqliteFile))
	if err != nil {
		return c, err
	}
	if !isThere(path) {
		return c, ErrNoDatabase
	}
	if _, err := checkDir(dir); err != nil {
		return c, err
	}
	if err := mustBeRegular(path); err != nil {
		return c, err
	}
	db, err := sql.Open("sqlite", readOnlyURL(path))
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	c, err = contents(ctx, db, path)
	return c, explainSQLite(err)
}

func contents(ctx context.Context, db *sql.DB, path string) (c Contents, err error) {
	tables, err := queryStrings(ctx, db, "SELECT name FROM sqlite_master WHERE type = 'table' AND name = '"+epoch.Table+"'")
	if err != nil {
		return c, err
	}
	if len(tables) == 0 {
		return c, ErrNoDatabase
	}
	client := ent.NewClient(ent.Driver(entsql.OpenDB(dialect.SQLite, db)))
	if c.Epoch, err = client.Epoch.Query().Count(ctx); err != nil {
		return c, err
	}
	if c.Epoch == 0 {
		return c, ErrNoDatabase
	}
	if c.Owners, err = client.Account.Query().Count(ctx); err != nil {
		return c, err
	}
	if c.Records, err = client.Record.Query().Count(ctx); err != nil {
		return c, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return c, err
	}
	c.Bytes = info.Size()
	return c, nil
}

func queryStrings(ctx context.Context, db *sql.DB, query string) (all []string, err error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, rows.Err()
}

// WriteTo implements io.WriterTo. It may be called once.
func (b *Backup) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, b.file) }

// SaveAs gives the scratch file its name, in the same directory, and sees to it that
// it has that after a power cut. What is there is not replaced: the error is
// fs.ErrExist.
func (b *Backup) SaveAs(path string) error {
	scratch := b.lock.Path()
	err := os.Link(scratch, path)
	if err != nil && !errors.Is(err, fs.ErrExist) { // a file system without hard links
		if isThere(path) {
			return &fs.PathError{Op: "save", Path: path, Err: fs.ErrExist}
		}
		err = os.Rename(scratch, path)
	}
	if err != nil {
		return err
	}
	if err := removeIfThere(scratch); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// Close removes the scratch file.
func (b *Backup) Close() error {
	var errs []error
	if b.file != nil {
		errs = append(errs, b.file.Close())
	}
	for _, name := range []string{"", "-journal"} {
		errs = append(errs, removeIfThere(b.lock.Path()+name))
	}
	return errors.Join(append(errs, b.lock.Close())...)
}

func isThere(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func removeIfThere(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// syncDir has the disk know what was made, renamed and removed in a directory.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
