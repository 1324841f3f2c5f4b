package records_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	osexec "os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"syncline/record"
	"syncline/storage"
)

// writerVariable makes of the test binary a process that writes to the database
// in this directory until it is killed.
const writerVariable = "SYNCLINE_TEST_WRITER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(writerVariable); dir != "" {
		fmt.Fprintln(os.Stderr, writeUntilKilled(dir, os.Getenv(writerVariable+"_ROUND")))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

const (
	crashOwners  = 4
	crashWriters = 32
	crashBatch   = 3
)

// writeUntilKilled writes batches of new records in groups, and tells each one
// that is acknowledged: its owner, its name, its first revision.
func writeUntilKilled(dir, round string) error {
	db, err := storage.OpenSQLite(context.Background(), dir)
	if err != nil {
		return err
	}
	store := newStore(db)
	failed := make(chan error)
	var out sync.Mutex
	for writer := range crashWriters {
		go func() {
			for n := 0; ; n++ {
				name := fmt.Sprintf("%s-%d-%d", round, writer, n)
				result, err := store.Write(context.Background(), ownerNumber(writer%crashOwners), namedBatch(name))
				if err != nil {
					failed <- err
					return
				}
				out.Lock()
				fmt.Fprintln(os.Stdout, writer%crashOwners, name, result.Results[0].NewRevision)
				out.Unlock()
			}
		}()
	}
	return <-failed
}

func namedBatch(name string) record.Request {
	request := record.Request{Kind: record.KindBatch}
	for i := range crashBatch {
		request.Writes = append(request.Writes, record.Write{ID: fmt.Sprint(name, "/", i), Data: []byte(name)})
	}
	return request
}

// A process that is killed in the middle of its groups loses nothing that it
// acknowledged, and leaves no batch in part and no hole in the revisions.
func TestAKilledProcessLosesNothing(t *testing.T) {
	t.Parallel()
	kills := 5
	if long {
		kills = 20
	}
	dir := t.TempDir()
	migrate(t, dir)
	acknowledged := make([]map[string]record.Revision, crashOwners)
	for owner := range acknowledged {
		acknowledged[owner] = map[string]record.Revision{}
	}
	for round := range kills {
		killedWriter(t, dir, round, 50+rand.IntN(1500), func(owner int, name string, first record.Revision) {
			acknowledged[owner][name] = first
		})
		for owner, batches := range acknowledged {
			checkBatches(t, dir, owner, batches)
		}
	}
}

func migrate(t *testing.T, dir string) {
	t.Helper()
	db, err := storage.OpenSQLite(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// killedWriter runs a process that writes, and kills it after so many
// acknowledgements. Those that were on their way count too.
func killedWriter(t *testing.T, dir string, round, acks int, acknowledge func(owner int, name string, first record.Revision)) {
	t.Helper()
	cmd := osexec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), writerVariable+"="+dir, writerVariable+"_ROUND="+strconv.Itoa(round))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for n := 1; lines.Scan(); n++ {
		var (
			owner int
			name  string
			first record.Revision
		)
		if _, err := fmt.Sscan(lines.Text(), &owner, &name, &first); err != nil {
			break // cut off by the kill
		}
		acknowledge(owner, name, first)
		if n == acks {
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
	}
	if err := cmd.Wait(); !strings.Contains(fmt.Sprint(err), "killed") {
		t.Fatalf("the writer ended by itself: %v", err)
	}
}

// checkBatches opens a database and reads an owner's feed: it must have each
// acknowledged batch, at its revisions, each batch whole, and no hole.
func checkBatches(t *testing.T, dir string, owner int, acknowledged map[string]record.Revision) {
	t.Helper()
	found := readBatches(t, dir, owner)
	for name, first := range acknowledged {
		if found[name] != first {
			t.Fatalf("owner %d: the acknowledged %s at revision %d is at %d (0: lost)", owner, name, first, found[name])
		}
	}
}

// readBatches reads an owner's batches and the first revision of each.
func readBatches(t *testing.T, dir string, owner int) map[string]record.Revision {
	t.Helper()
	db, err := storage.OpenSQLite(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	snapshot, err := newStore(db).Changes(t.Context(), ownerNumber(owner), record.Span{Limit: 1 << 20, MaxBytes: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	batches := map[string]record.Revision{}
	for i, r := range snapshot.Records {
		name, part, _ := strings.Cut(r.ID, "/")
		if r.Revision != record.Revision(i+1) || string(r.Data) != name || part != strconv.Itoa(i%crashBatch) {
			t.Fatalf("owner %d: number %d is %s at revision %d: torn, or a hole", owner, i, r.ID, r.Revision)
		}
		if part == "0" {
			batches[name] = r.Revision
		}
	}
	n := len(snapshot.Records)
	if int(snapshot.Head) != n || int(snapshot.RecordCount) != n || n%crashBatch != 0 {
		t.Fatalf("owner %d: head %d, count %d, records %d: torn", owner, snapshot.Head, snapshot.RecordCount, n)
	}
	return batches
}
