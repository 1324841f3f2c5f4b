package records_test

import (
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"syncline/record"
	"syncline/storage"
)

// walFile is SQLite's write-ahead log, to which a commit appends and syncs.
const walFile = "syncline.db-wal"

// Of what a power failure may do, a process that is killed shows nothing: what
// was written and not synced is still there. So the log is cut at random places
// as if the disk had got no further, and what follows is rubbish. Whatever was
// acknowledged when the log had that length must be there; each group must be
// there whole, or not at all.
func TestALogThatIsCutKeepsWhatWasAcknowledged(t *testing.T) {
	t.Parallel()
	groups, cuts := 40, 40
	if long {
		groups, cuts = 100, 250
	}
	dir := t.TempDir()
	acknowledged := writeGroups(t, dir, groups)
	main, wal := read(t, dir, "syncline.db"), read(t, dir, walFile)
	if last := acknowledged[groups-1]; last > len(wal) {
		t.Fatalf("the log has %d bytes, and had %d", len(wal), last)
	}
	for range cuts {
		at := mathrand.IntN(len(wal) + 1)
		cut := t.TempDir()
		write(t, cut, "syncline.db", main)
		write(t, cut, walFile, append(wal[:at:at], rubbish(len(wal)-at)...))
		whole := countGroups(t, cut)
		for n, size := range acknowledged {
			if size <= at && n >= whole {
				t.Fatalf("the log cut at %d of %d bytes has %d groups; group %d was acknowledged at %d", at, len(wal), whole, n, size)
			}
		}
		if whole < groups && acknowledged[whole] <= at {
			t.Fatalf("group %d, acknowledged at %d, is lost at %d", whole, acknowledged[whole], at)
		}
	}
}

const groupOwners = 6

// writeGroups writes groups of a batch for each owner, and tells the length of
// the log when each was acknowledged.
func writeGroups(t *testing.T, dir string, groups int) (acknowledged []int) {
	t.Helper()
	migrate(t, dir)
	db, err := storage.OpenSQLite(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() }) // folds the log into the file: not before it was copied
	exec(t, db, "PRAGMA wal_autocheckpoint = 0")
	if n := queryIntOf(t, db.Write, "PRAGMA synchronous"); n != 2 {
		t.Fatalf("synchronous is %d: a commit does not sync the log", n)
	}
	store := newStore(db)
	for n := range groups {
		release := store.Hold()
		var waits []func() (record.Result, error)
		for owner := range groupOwners {
			waits = append(waits, store.Submit(t.Context(), ownerNumber(owner), namedBatch(fmt.Sprint(n))))
		}
		release()
		for _, wait := range waits {
			if _, err := wait(); err != nil {
				t.Fatal(err)
			}
		}
		acknowledged = append(acknowledged, len(read(t, dir, walFile)))
	}
	return acknowledged
}

// countGroups counts the groups in a database, which must be whole.
func countGroups(t *testing.T, dir string) int {
	t.Helper()
	first := len(readBatches(t, dir, 0))
	for owner := 1; owner < groupOwners; owner++ {
		if n := len(readBatches(t, dir, owner)); n != first {
			t.Fatalf("a group is torn: owner 0 has %d batches, owner %d has %d", first, owner, n)
		}
	}
	return first
}

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t *testing.T, dir, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func rubbish(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}
