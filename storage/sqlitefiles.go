package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/gofrs/flock"
)

// Names of the files in the directory of an SQLite database.
const (
	sqliteFile = "syncline.db"
	lockFile   = "syncline.lock"
	// noncesFile is a mark: see nonces.Marked.
	noncesFile = "syncline.nonces"
)

// NoncesMark is where the mark is that no nonce is missing in the database of a
// directory. The first database in a directory has it from its start.
func NoncesMark(dir string) string { return filepath.Join(dir, noncesFile) }

// MakeMark makes a mark for good, also if the machine stops.
func MakeMark(path string) error {
	mark, err := openFile(path, os.O_CREATE)
	if err != nil {
		return err
	}
	return errors.Join(mark.Close(), syncDir(filepath.Dir(path)))
}

// RemoveMark removes a mark for good, if it is there.
func RemoveMark(path string) error {
	if err := removeIfThere(path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// HasSQLite tells whether there is an SQLite database in a directory.
func HasSQLite(dir string) bool {
	return isThere(filepath.Join(dir, sqliteFile)) || isThere(filepath.Join(dir, restoredFile))
}

// isUsed tells whether there was a database in a directory, which may be gone.
func isUsed(dir string) bool {
	return slices.ContainsFunc([]string{lockFile, noncesFile, sqliteFile}, func(name string) bool {
		_, err := os.Lstat(filepath.Join(dir, name))
		return err == nil
	})
}

// others is what the mode of a file grants to whom it does not belong to.
const (
	others   fs.FileMode = 0o022
	everyone fs.FileMode = 0o002
)

// checkDir refuses a directory in which everybody may write: who may put files
// beside a database may take its place. That a group may is only told, for volumes
// are handed out so. The directory's mode is the operator's, and left as it is.
func checkDir(dir string) (warning string, err error) {
	info, err := os.Stat(dir)
	if err != nil {
		return "", err
	}
	switch mode := info.Mode().Perm(); {
	case !info.IsDir() || mode&others == 0:
		return "", nil // what is no directory is told by who opens a file in it
	case mode&everyone != 0 && isUsed(dir):
		return "", fmt.Errorf("everybody may write to this directory (mode %o): take that away with chmod go-w, or move syncline.* into a directory inside it, and name that", mode)
	case mode&everyone != 0:
		return "", fmt.Errorf("everybody may write to this directory (mode %o): take that away with chmod go-w, or name a directory inside it, which is then made for this user alone", mode)
	default:
		return fmt.Sprintf("the group of %s may write to it (mode %o)", dir, mode), nil
	}
}

// lockDir keeps other processes out. SQLite itself would let them in, and two
// servers on one file would not hear of each other's writes.
func lockDir(dir string) (release func() error, err error) {
	path := filepath.Join(dir, lockFile)
	if err := mustBeRegular(path); err != nil {
		return nil, err
	}
	lock := flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDONLY|syscall.O_NOFOLLOW), flock.SetPermissions(0o600))
	got, err := lock.TryLock()
	if err != nil {
		return nil, err
	}
	if !got {
		return nil, fmt.Errorf("%w%s: stop it first", ErrInUse, holderOf(path))
	}
	return lock.Close, nil
}

// holderOf names the process that has a file locked, where the system tells: Linux
// lists locks with their process and the file's inode.
func holderOf(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	list, err := os.ReadFile("/proc/locks")
	if !ok || err != nil {
		return ""
	}
	for line := range strings.Lines(string(list)) { // 1: FLOCK ADVISORY WRITE 1234 08:01:5678 0 EOF
		fields := strings.Fields(line)
		if len(fields) < 6 || fields[1] != "FLOCK" || !strings.HasSuffix(fields[5], fmt.Sprint(":", stat.Ino)) {
			continue
		}
		if pid, err := strconv.Atoi(fields[4]); err == nil && pid > 0 { // 0: of another container
			return fmt.Sprintf(" (process %d)", pid)
		}
	}
	return ""
}

// prepareFiles makes the database's file, if it is not there, so that only this
// user can read it, and takes from others the right to write to what is there.
// SQLite gives new files beside it the same mode. Where a database was before (used),
// a new one knows none of its nonces, and gets no mark.
func prepareFiles(dir string, used bool) (warnings []string, err error) {
	path := filepath.Join(dir, sqliteFile)
	_, err = os.Lstat(path)
	isNew := errors.Is(err, fs.ErrNotExist)
	if isNew && used {
		if err := RemoveMark(NoncesMark(dir)); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{path, path + "-wal", path + "-shm", path + "-journal"} {
		warning, err := makePrivate(name, name == path)
		if err != nil {
			return nil, err
		}
		if warning != "" {
			warnings = append(warnings, warning)
		}
	}
	if !isNew || used {
		return warnings, nil
	}
	return warnings, MakeMark(NoncesMark(dir))
}

func makePrivate(path string, create bool) (warning string, err error) {
	if err := mustBeRegular(path); err != nil {
		return "", err
	}
	flag := 0
	if create {
		flag = os.O_CREATE
	}
	f, err := openFile(path, flag)
	if errors.Is(err, fs.ErrNotExist) && !create {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	warning, err = takeFromOthers(f)
	return warning, errors.Join(err, f.Close())
}

func takeFromOthers(f *os.File) (warning string, err error) {
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	mode := info.Mode().Perm()
	if mode&others == 0 {
		return "", nil
	}
	failed := f.Chmod(mode &^ others)
	switch {
	case failed == nil:
		return fmt.Sprintf("others could write to %s (mode %o): now they cannot", f.Name(), mode), nil
	case mode&everyone != 0:
		return "", fmt.Errorf("everybody may write to %s (mode %o), and this user cannot change that: %w", f.Name(), mode, failed)
	default:
		return fmt.Sprintf("the group of %s may write to it (mode %o), and this user cannot change that", f.Name(), mode), nil
	}
}

// mustBeRegular refuses a link above all: SQLite would follow it, and keep its log
// where we do not look.
func mustBeRegular(path string) error {
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", path)
	}
	return nil
}

func openFile(path string, flag int) (*os.File, error) {
	return os.OpenFile(path, os.O_RDWR|flag|syscall.O_NOFOLLOW, 0o600)
}
