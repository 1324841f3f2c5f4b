package storage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// compactingFile is a copy in progress, or what is left of one that was killed.
const compactingFile = "syncline.db.compacting"

// CompactSQLite gives the room in an SQLite database's file that nothing uses any more
// back to the disk. What is kept is copied into a new file, which takes the place of the
// old one when it is whole and sound: it happens whole or not at all, also if the process
// or the machine stops at any moment. Meanwhile the disk has both. No other process may have
// the database open: the error is ErrInUse then. progress is told about every second how many
// bytes are copied, of how many. before and after are the sizes of the file.
func CompactSQLite(ctx context.Context, dir string, progress func(done, all int64)) (before, after int64, err error) {
	if before, after, err = compactSQLite(ctx, dir, progress); err != nil {
		return 0, 0, fmt.Errorf("cannot compact the SQLite database in %q: %w", dir, explainSQLite(err))
	}
	return before, after, nil
}

func compactSQLite(ctx context.Context, dir string, progress func(done, all int64)) (before, after int64, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return 0, 0, err
	}
	if !HasSQLite(dir) {
		return 0, 0, ErrNoDatabase
	}
	db, err := openSQLite(ctx, dir) // folds the log of a crash into the file, or refuses it
	if err != nil {
		return 0, 0, err
	}
	release := db.release // the directory stays ours while nobody has the file open
	db.release = nil
	defer func() { err = errors.Join(err, release()) }()
	used, err := queryStrings(ctx, db.write, "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size")
	if err = errors.Join(err, db.Close()); err != nil {
		return 0, 0, err
	}
	live, path := filepath.Join(dir, sqliteFile), filepath.Join(dir, compactingFile)
	if info, err := os.Stat(live + "-wal"); err == nil && info.Size() > 0 {
		return 0, 0, errors.New("SQLite did not fold its log into the file")
	}
	info, err := os.Stat(live)
	if err != nil {
		return 0, 0, err
	}
	before = info.Size()
	removeScratch := func() error {
		return errors.Join(removeIfThere(path), removeIfThere(path+"-journal"))
	}
	if err := removeScratch(); err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, removeScratch()) }() // once it has its place, it has not this name
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, 0, err
	}
	if err := f.Chmod(info.Mode().Perm()); err != nil { // a group may read it for backups
		return 0, 0, errors.Join(err, f.Close())
	}
	if err := copyCompacted(ctx, live, path, used[0], progress); err != nil {
		return 0, 0, errors.Join(fmt.Errorf("copy: %w", err), f.Close())
	}
	if err := errors.Join(f.Sync(), f.Close(), giveToOwner(dir, path)); err != nil {
		return 0, 0, err
	}
	was, err := inspect(ctx, live)
	if err != nil {
		return 0, 0, fmt.Errorf("the database is not sound: %w", err)
	}
	is, err := inspect(ctx, path)
	if err != nil {
		return 0, 0, fmt.Errorf("the copy is not sound: %w", err)
	}
	after, is.Bytes = is.Bytes, was.Bytes
	if is != was {
		return 0, 0, fmt.Errorf("the copy has %v, and the database %v", is, was)
	}
	for _, suffix := range []string{"-wal", "-shm"} { // empty, as readers leave them
		if err := removeIfThere(live + suffix); err != nil {
			return 0, 0, err
		}
	}
	if err := syncDir(dir); err != nil { // no log is there that the new file could be given
		return 0, 0, err
	}
	if err := os.Rename(path, live); err != nil {
		return 0, 0, err
	}
	return before, after, syncDir(dir)
}

// copyCompacted copies a database without what is not used, and tells how far it is.
func copyCompacted(ctx context.Context, from, to, bytes string, progress func(done, all int64)) error {
	all, err := strconv.ParseInt(bytes, 10, 64)
	if err != nil {
		return err
	}
	copied := make(chan error, 1)
	go func() { copied <- copySQLite(ctx, from, to) }()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case err := <-copied:
			return err
		case <-tick.C:
			if info, err := os.Stat(to); err == nil {
				progress(info.Size(), all)
			}
		}
	}
}
