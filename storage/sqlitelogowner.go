package storage

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// A write-ahead log does not say which file it belongs to. SQLite replays the one
// that it finds, also over a backup that was put in the place of the file, and
// what comes of that is neither. So the file has a number, in a field of its header
// that is there for such use, which changes every markEvery, and a note beside it
// has those that it may have. A backup has an older one.

// logOwnerFile has the numbers, one a line: the last, and while the file may have
// it or not, the one before.
const logOwnerFile = "syncline.log-of"

// markEvery is how young a backup may be that is not told from the file itself.
const markEvery = 10 * time.Minute

// markAgain is how soon a number is tried to be given that could not be.
const markAgain = 30 * time.Second

// Where SQLite's file format has what is read here.
const (
	headerBytes = 100
	versionsAt  = 18 // two bytes, 2 if the database has a log
	numberAt    = 68 // application_id
	logHeader   = 32
)

// ErrForeignLog says that the log beside a database is not its own.
var ErrForeignLog = errors.New("the log beside it (" + sqliteFile + "-wal) is another database's, or of another time, and would spoil it")

// checkLogOwner refuses a log that was not written for the file beside it. One of a
// directory that has no note yet passes: nothing is known of it.
func checkLogOwner(dir string) error {
	path := filepath.Join(dir, sqliteFile)
	if info, err := os.Stat(path + "-wal"); err != nil || info.Size() <= logHeader {
		return nil //nolint:nilerr // no log, no question
	}
	numbers, err := readLogOwner(dir)
	if err != nil || len(numbers) == 0 {
		return err
	}
	var header []byte
	switch f, err := os.Open(path); { // nobody has it open
	case err == nil:
		header, err = readHeader(f)
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if len(header) == headerBytes && bytes.Equal(header[versionsAt:versionsAt+2], []byte{2, 2}) &&
		slices.Contains(numbers, binary.BigEndian.Uint32(header[numberAt:])) {
		return nil
	}
	return fmt.Errorf("%w. If %s is a backup that was put in place, move it away and put it back with syncline restore; or move %s-wal and %s-shm away, and run syncline new-epoch", ErrForeignLog, sqliteFile, sqliteFile, sqliteFile)
}

// readHeader reads what there is of a header: less than a whole one of an empty file.
func readHeader(f io.ReaderAt) ([]byte, error) {
	return io.ReadAll(io.NewSectionReader(f, 0, headerBytes))
}

func readLogOwner(dir string) (numbers []uint32, err error) {
	text, err := os.ReadFile(filepath.Join(dir, logOwnerFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for line := range bytes.Lines(text) {
		var n uint32
		if _, err := fmt.Sscanf(string(line), "%08x\n", &n); err != nil {
			return nil, fmt.Errorf("%s cannot be read: %w", logOwnerFile, err)
		}
		numbers = append(numbers, n)
	}
	return numbers, err
}

// writeLogOwner replaces the note, for good also if the machine stops.
func writeLogOwner(dir string, numbers ...uint32) error {
	path := filepath.Join(dir, logOwnerFile)
	var text bytes.Buffer
	for _, n := range numbers {
		fmt.Fprintf(&text, "%08x\n", n)
	}
	f, err := openFile(path+".new", os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	_, err = f.Write(text.Bytes())
	if err = errors.Join(err, f.Sync(), f.Close(), giveToOwner(dir, path+".new")); err != nil {
		return err
	}
	return errors.Join(os.Rename(path+".new", path), syncDir(dir))
}

// mark gives the file another number, and begins the log anew. If that cannot be now,
// because of a reader or a full disk, what the note says stays true, and it is
// tried again soon.
func (c *loggingConn) mark() {
	if filepath.Base(c.files.path) != sqliteFile { // it is not the database of its directory yet
		c.markAt = time.Now().Add(markEvery)
		return
	}
	c.markAt = time.Now().Add(markAgain)
	dir := filepath.Dir(c.log)
	header, err := readHeader(c.files.file)
	if err != nil || len(header) < headerBytes {
		return
	}
	has := binary.BigEndian.Uint32(header[numberAt:])
	numbers, err := readLogOwner(dir)
	if err != nil {
		return
	}
	if len(numbers) < 2 || !slices.Contains(numbers, has) { // otherwise the last one is on its way
		var next [4]byte
		_, _ = rand.Read(next[:]) // never fails
		numbers = append([]uint32{has}, numbers...)
		numbers = append(slices.Compact(numbers), binary.BigEndian.Uint32(next[:]))
		if err := writeLogOwner(dir, numbers...); err != nil {
			return
		}
	}
	next := numbers[len(numbers)-1]
	if err := c.exec(fmt.Sprintf("PRAGMA application_id = %d", int32(next))); err != nil {
		return
	}
	if c.fold() && writeLogOwner(dir, next) == nil {
		c.markAt = time.Now().Add(markEvery)
	}
}

func (c *loggingConn) exec(pragma string) error {
	stmt, err := c.PrepareContext(context.Background(), pragma)
	if err != nil {
		return err
	}
	_, err = stmt.(driver.StmtExecContext).ExecContext(context.Background(), nil)
	return errors.Join(err, stmt.Close())
}
