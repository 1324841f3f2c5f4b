package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"

	"syncline/ent"
)

// Names of files that are in a database's directory for a time.
const (
	// restoringFile is a restore in progress, or what is left of one that was killed:
	// nothing has changed yet.
	restoringFile = "syncline.db.restoring"
	// restoredFile is whole and sound. While it is there it is the database, and the
	// files that have its place are to be moved away: by the restore, or if that was
	// killed by whoever opens the directory next.
	restoredFile = "syncline.db.restored"
)

// ErrExists says that there is a database already.
var ErrExists = errors.New("there is a database in it already")

// Restored is what a restore did.
type Restored struct {
	Contents Contents
	Base     int64  // revisions go on above it
	Replaced string // where the database is that was there before; empty if none was
}

// OpenBackup opens a backup's file for RestoreSQLite. One that has a log beside it is
// refused: without that it lacks commits.
func OpenBackup(path string) (*os.File, error) {
	for _, suffix := range []string{"-wal", "-journal"} {
		if info, err := os.Stat(path + suffix); err == nil && info.Size() > 0 {
			return nil, fmt.Errorf("%s has a log beside it (%s), so it was copied from a running server, or after a crash, and is not whole by itself; as syncline.db and syncline.db%s in a directory of their own they are a database that can be backed up", path, path+suffix, suffix)
		}
	}
	return os.Open(path)
}

// RestoreSQLite makes a backup the database in a directory, and begins a new epoch in
// it. It happens whole or not at all, also if the process or the machine stops at
// any moment. A backup that is damaged or cut short is refused. Where there is a
// database, the error is ErrExists unless replace is set, which keeps it in the
// same directory. No other process may have it open: the error is ErrInUse then.
func RestoreSQLite(ctx context.Context, dir string, backup io.Reader, replace bool, now time.Time) (Restored, error) {
	r, err := restoreSQLite(ctx, dir, backup, replace, now)
	switch {
	case errors.Is(err, errNotInPlace):
		return r, fmt.Errorf("%q: %w", dir, err)
	case err != nil:
		return r, fmt.Errorf("cannot restore into %q, where nothing has changed: %w", dir, explainSQLite(err))
	}
	return r, nil
}

func restoreSQLite(ctx context.Context, dir string, backup io.Reader, replace bool, now time.Time) (r Restored, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return r, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return r, err
	}
	if _, err := checkDir(dir); err != nil {
		return r, err
	}
	release, err := lockDir(dir)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, release()) }()
	if _, err := finishRestore(dir); err != nil { // one that was interrupted
		return r, err
	}
	live := filepath.Join(dir, sqliteFile)
	if isThere(live) && !replace {
		return r, ErrExists
	}
	path := filepath.Join(dir, restoringFile)
	defer func() {
		for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
			err = errors.Join(err, removeIfThere(path+suffix))
		}
	}()
	if err := receive(path, backup); err != nil {
		return r, fmt.Errorf("copy the backup: %w", err)
	}
	for _, made := range []string{path, filepath.Join(dir, lockFile)} {
		if err := giveToOwner(dir, made); err != nil {
			return r, err
		}
	}
	if r.Contents, err = inspect(ctx, path); err != nil {
		return r, fmt.Errorf("the backup is not sound: %w", err)
	}
	if r.Base, err = beginAgain(ctx, path, highestIn(ctx, live), now); err != nil {
		return r, err
	}
	r.Contents.Epoch++
	at, err := freeName(path, live)
	if err != nil {
		return r, err
	}
	if err := os.Chtimes(path, at, at); err != nil {
		return r, err
	}
	if err := os.Rename(path, filepath.Join(dir, restoredFile)); err != nil {
		return r, err
	}
	if r.Replaced, err = finishRestore(dir); err != nil {
		return r, fmt.Errorf("%w: %w", errNotInPlace, err)
	}
	return r, nil
}

// errNotInPlace says that a backup is whole in the directory, and that the next who
// opens it completes the restore.
var errNotInPlace = errors.New("the backup is restored and was not put in its place, which the next start sees to")

// receive copies a backup into a file of this user alone.
func receive(path string, backup io.Reader) error {
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} { // of a restore that was killed
		if err := removeIfThere(path + suffix); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, backup)
	return errors.Join(err, f.Sync(), f.Close())
}

// giveToOwner has a file that root makes belong to whom the directory belongs to:
// the server has to open it.
func giveToOwner(dir, path string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 || owner.Uid == 0 {
		return nil
	}
	return os.Lchown(path, int(owner.Uid), int(owner.Gid))
}

// beginAgain brings a restored database up to date and begins its new epoch, above
// what the database that it replaces has given. Its log is folded into the file.
func beginAgain(ctx context.Context, path string, above int64, now time.Time) (base int64, err error) {
	db, err := openSQLiteFile(ctx, path)
	if err != nil {
		return 0, err
	}
	if err = db.Migrate(ctx); err == nil {
		if base, err = db.newEpoch(ctx, now, above); err != nil {
			err = fmt.Errorf("begin a new epoch: %w", err)
		}
	}
	if err = errors.Join(err, db.Close()); err != nil {
		return 0, err
	}
	if info, err := os.Stat(path + "-wal"); err == nil && info.Size() > 0 {
		return 0, errors.New("SQLite did not fold its log into the file")
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	return base, errors.Join(f.Sync(), f.Close())
}

// highestIn is the highest revision or fence token in a database that is about to be
// replaced; 0 if it cannot be read any more, and the clock has to do.
func highestIn(ctx context.Context, path string) int64 {
	if !isThere(path) {
		return 0
	}
	pool, err := sql.Open("sqlite", readOnlyURL(path))
	if err != nil {
		return 0
	}
	defer func() { _ = pool.Close() }()
	tx, err := ent.NewClient(ent.Driver(entsql.OpenDB(dialect.SQLite, pool))).Tx(ctx)
	if err != nil {
		return 0
	}
	defer tx.Rollback() //nolint:errcheck // it has only read
	highest, err := highestGiven(ctx, tx)
	if err != nil {
		return 0
	}
	return highest
}

// freeName is a time for a restored file by which replacedBy names nothing that is
// there.
func freeName(path, live string) (at time.Time, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return at, err
	}
	at = info.ModTime().Truncate(time.Second)
	for isThere(replacedBy(live, at)) || isThere(replacedBy(live, at)+"-wal") {
		at = at.Add(time.Second)
	}
	return at, nil
}

// replacedBy names the database that a restore replaces, by the time of the file
// that takes its place.
func replacedBy(live string, at time.Time) string {
	return live + ".replaced-" + at.UTC().Format("20060102T150405Z")
}

// finishRestore puts a restored file in its place, if there is one, and answers where
// the database is that was there before. Each of its steps may be the last; then
// the next call goes on. The old log moves along with its file: left behind, SQLite
// would replay it into the new one.
func finishRestore(dir string) (replaced string, err error) {
	restored, live := filepath.Join(dir, restoredFile), filepath.Join(dir, sqliteFile)
	info, err := os.Lstat(restored)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if err := mustBeRegular(restored); err != nil {
		return "", err
	}
	replaced = replacedBy(live, info.ModTime())
	for _, suffix := range []string{"-wal", "-journal", ""} {
		if info, err := os.Lstat(live + suffix); err == nil && info.Size() == 0 { // as readers leave a log
			if err := os.Remove(live + suffix); err != nil {
				return "", err
			}
			continue
		}
		if err := os.Rename(live+suffix, replaced+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	for _, old := range []string{live + "-shm", filepath.Join(dir, logOwnerFile)} { // the note is of the file that was replaced
		if err := removeIfThere(old); err != nil {
			return "", err
		}
	}
	if err := RemoveMark(NoncesMark(dir)); err != nil { // the backup lacks nonces
		return "", err
	}
	if err := syncDir(dir); err != nil { // the old log is gone before the new file is there
		return "", err
	}
	if err := os.Rename(restored, live); err != nil {
		return "", err
	}
	if !isThere(replaced) {
		replaced = ""
	}
	return replaced, syncDir(dir)
}
