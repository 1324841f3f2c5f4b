package retention_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"syncline/ent/appliedmutation"
	entrecord "syncline/ent/record"
	"syncline/internal/testservers"
	"syncline/record"
	"syncline/storage"
	"syncline/storage/row"
)

// limit sets a quota for all owners.
func (h *house) limit(q record.Quota) {
	h.quota = q
	h.service.LimitOwners(q)
}

// fill creates records with ids from a prefix, in batches of 100 with a mutation
// id each, and deletes them again if they are to be buried.
func (h *house) fill(t *testing.T, owner record.Owner, prefix string, records int, bury bool) error {
	t.Helper()
	for n := 0; n < records; n += 100 {
		var create, remove record.Request
		create.Kind, remove.Kind = record.KindBatch, record.KindBatch
		id := fmt.Sprint(prefix, n)
		create.MutationID = &id
		for i := range 100 {
			create.Writes = append(create.Writes, record.Write{ID: fmt.Sprint(prefix, n+i)})
		}
		result, err := h.service.Write(t.Context(), owner, create)
		if err != nil {
			return err
		}
		for _, r := range result.Results {
			remove.Writes = append(remove.Writes, record.Write{ID: r.Record.ID, Delete: true, Revision: r.NewRevision})
		}
		if !bury {
			continue
		}
		if _, err := h.service.Write(t.Context(), owner, remove); err != nil {
			return err
		}
	}
	return nil
}

// running has a sweeper run that is told of owners who left too much, until the test
// ends.
func (h *house) running(t *testing.T) {
	sweeper := h.sweeper(90*day, 30*day)
	h.store.WhenTracesExceed(sweeper.TracesExceed)
	ctx, cancel := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() { _ = sweeper.Run(ctx) })
	t.Cleanup(func() { cancel(); run.Wait() })
}

// counted compares what the account counts with what is there.
func (h *house) counted(t *testing.T, owner record.Owner) (tombstones, mutationBytes int64) {
	t.Helper()
	a := h.db.Read.Account.GetX(t.Context(), owner[:])
	n := h.db.Read.Record.Query().Where(entrecord.Owner(owner[:]), entrecord.Deleted(true)).CountX(t.Context())
	size := int64(0)
	for _, m := range h.db.Read.AppliedMutation.Query().Where(appliedmutation.Owner(owner[:])).AllX(t.Context()) {
		size += (&row.Mutation{Revisions: m.Revisions}).Size(m.ID)
	}
	if a.Tombstones != int64(n) || a.MutationBytes != size {
		t.Errorf("counted %d tombstones and %d bytes of mutation ids; there are %d and %d", a.Tombstones, a.MutationBytes, n, size)
	}
	return a.Tombstones, a.MutationBytes
}

func testTooManyTombstones(t *testing.T, h *house) {
	h.limit(record.Quota{Records: 1200})
	h.bury(t, ownerNumber(2), "of another")
	h.running(t)
	before := h.cursor(t, alice)
	first := h.bury(t, alice, "first")
	if err := h.fill(t, alice, "a", 1100, true); err != nil {
		t.Fatal(err)
	}
	if n, _ := h.counted(t, alice); n != 1101 || h.floor(t, alice) != 0 {
		t.Errorf("%d tombstones, floor %d: as many as records are within the bound", n, h.floor(t, alice))
	}
	if err := h.fill(t, alice, "b", 200, true); err != nil {
		t.Fatal(err)
	}
	now := h.cursor(t, alice)
	testservers.Await(t, "the oldest are purged", func(context.Context) bool {
		a, err := h.service.Account(t.Context(), alice)
		return err == nil && h.floor(t, alice) > first && a.Tombstones <= 1000
	})
	h.put(t, alice, "live")
	if n, _ := h.counted(t, alice); n < 800 || n > 1200 {
		t.Errorf("%d tombstones are left, want about three quarters of 1200", n)
	}
	if _, err := h.service.Changes(t.Context(), alice, before, 10); !isTooOld(err) {
		t.Errorf("a cursor from before: %v", err)
	}
	if page, err := h.service.Changes(t.Context(), alice, now, 10); err != nil || len(page.Records) != 1 {
		t.Errorf("a cursor from after it: %+v, %v", page, err)
	}
	if h.floor(t, ownerNumber(2)) != 0 {
		t.Error("another owner's tombstone is gone")
	}
}

func isTooOld(err error) bool {
	_, is := errors.AsType[*record.CursorTooOldError](err)
	return is
}

func testTooManyMutations(t *testing.T, h *house) {
	h.limit(record.Quota{Bytes: 100}) // 256 KiB are for mutation ids all the same
	h.running(t)
	old, young := record.Write{ID: "a"}, record.Write{ID: "b"}
	h.write(t, alice, old, "old")
	h.elapse(time.Second)
	seen := h.put(t, alice, "c")
	for n := range 1800 { // with ids of 64 bytes
		again := h.write(t, alice, record.Write{ID: "c", Revision: seen}, fmt.Sprintf("%064d", n))
		seen = again.Results[0].NewRevision
		h.elapse(time.Second)
	}
	h.write(t, alice, young, "young")
	testservers.Await(t, "the oldest is purged", func(context.Context) bool {
		return h.db.Read.AppliedMutation.Query().Where(appliedmutation.ID("old")).CountX(t.Context()) == 0
	})
	h.put(t, alice, "live")
	if _, size := h.counted(t, alice); size < 128<<10 || size > 256<<10 {
		t.Errorf("%d bytes of mutation ids are left, want about three quarters of 256 KiB", size)
	}
	if again := h.write(t, alice, young, "young"); !again.Replayed {
		t.Error("the newest is forgotten, too")
	}
	if again := h.write(t, alice, old, "old"); again.Replayed || again.Status != record.Conflict {
		t.Errorf("the oldest is judged again: %+v", again)
	}
}

// Nobody purges: the bound holds all the same, but for deletes.
func testTracesFull(t *testing.T, h *house) {
	h.limit(record.Quota{Records: 1000})
	live := h.put(t, alice, "live")
	var full error
	for n := 0; full == nil && n < 2000; n += 100 {
		full = h.fill(t, alice, fmt.Sprint(n), 100, true)
	}
	refused, ok := errors.AsType[*record.UnavailableError](full)
	if n, _ := h.counted(t, alice); !ok || refused.OutcomeUnknown || n <= 1250 || n > 1400 {
		t.Errorf("%d tombstones, %v", n, full)
	}
	if h.db.Read.Record.Query().Where(entrecord.Deleted(false)).CountX(t.Context()) != 1 {
		t.Error("what was refused was written")
	}
	h.write(t, alice, record.Write{ID: "live", Delete: true, Revision: live}, "deletes go on")
	h.put(t, ownerNumber(2), "others do")
	if swept := h.sweep(t, 0, 0); swept.Tombstones < 500 {
		t.Errorf("swept %+v", swept)
	}
	h.put(t, alice, "again")
}

// long runs are for make verify, and not under the race detector, to which more of the
// same operations bring nothing.
var long = os.Getenv("SYNCLINE_VERIFY") != "" && !testservers.RaceDetector

// testProportion has random operations of some owners run while what is old is swept
// now and then.
func testProportion(t *testing.T, h *house) {
	operations := 10_000
	switch {
	case os.Getenv("SYNCLINE_LONG") != "":
		operations = 1_000_000
	case long:
		operations = 100_000
	}
	const writers, owners = 16, 4
	var all sync.WaitGroup
	for writer := range writers {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(writer), 1))
			seen := map[string]record.Revision{}
			for n := range operations / writers {
				id := fmt.Sprint(writer, "/", random.IntN(50))
				w := record.Write{ID: id, Data: []byte(id), Revision: seen[id]}
				w.Delete = seen[id] > 0 && random.IntN(2) == 0
				result := h.write(t, ownerNumber(writer%owners), w, fmt.Sprint(writer, "-", n))
				if result.Status != record.Success {
					t.Errorf("%+v: %+v", w, result)
					return
				}
				if seen[id] = result.Results[0].NewRevision; w.Delete {
					seen[id] = 0
				}
				h.elapse(time.Minute)
				if writer == 0 && n%1000 == 999 {
					h.sweep(t, 2*day, day)
				}
			}
		})
	}
	all.Wait()
	h.sweep(t, 2*day, day)
	live := h.db.Read.Record.Query().Where(entrecord.Deleted(false)).CountX(t.Context())
	tombstones, mutations := h.tombstones(t), h.db.Read.AppliedMutation.Query().CountX(t.Context())
	if minutes := int(day / time.Minute); live > writers*50 || tombstones > writers*50 || mutations > minutes {
		t.Errorf("%d operations left %d live records, %d tombstones, %d mutation ids", operations, live, tombstones, mutations)
	}
	h.elapse(3 * day)
	h.sweep(t, 2*day, day)
	if after := h.db.Read.Record.Query().CountX(t.Context()); after != live {
		t.Errorf("%d records, of which %d are live", after, live)
	}
	if n := h.db.Read.AppliedMutation.Query().CountX(t.Context()); n != 0 {
		t.Errorf("%d mutation ids", n)
	}
	for n := range owners {
		h.counted(t, ownerNumber(n))
	}
}

// A churn of creates and deletes leaves a file that stops growing: what is purged is
// used again. Compacting gives what is free then back to the disk.
func TestChurnStopsGrowing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	t.Run("churn", func(t *testing.T) { churn(t, dir) })
	if t.Failed() {
		return
	}
	before, after, err := storage.CompactSQLite(t.Context(), dir, func(int64, int64) {})
	if err != nil || after >= before {
		t.Fatalf("compacted from %d bytes to %d, %v", before, after, err)
	}
	db, err := storage.OpenSQLite(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if free := pragma(t, db, "freelist_count"); free != 0 {
		t.Errorf("%d pages are free in a file that was compacted", free)
	}
	newHouse(t, db).counted(t, alice)
}

func churn(t *testing.T, dir string) {
	db, err := storage.OpenSQLite(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	h := newHouse(t, db)
	h.limit(record.Quota{Records: 1000, Bytes: 1})
	h.running(t)
	rounds := 4
	if long {
		rounds = 20 // 10^5 creates and deletes
	}
	var pages []int
	for n := range rounds {
		for i := range 50 {
			testservers.Await(t, "the purge keeps up", func(context.Context) bool {
				a, err := h.service.Account(t.Context(), alice)
				return err == nil && !h.quota.Traces().Exceeded(a)
			})
			if err := h.fill(t, alice, fmt.Sprint(n, "-", i, "-"), 100, true); err != nil {
				t.Fatal(err)
			}
		}
		pages = append(pages, pragma(t, db, "page_count"))
	}
	if first, last := pages[0], pages[len(pages)-1]; last > first*3/2+128 { // mutation ids have a bound of their own, which comes later
		t.Errorf("the file had %d pages: it goes on growing", pages)
	}
	if rest := pages[len(pages)*3/4:]; long && slices.Max(rest) > rest[0]+8 {
		t.Errorf("the file had %d pages: in the last quarter of the time it still grew", pages)
	}
}

func pragma(t *testing.T, db *storage.DB, name string) (n int) {
	t.Helper()
	rows, err := db.Read.QueryContext(t.Context(), "PRAGMA "+name)
	if err != nil {
		t.Fatal(err)
	}
	rows.Next()
	if err := errors.Join(rows.Scan(&n), rows.Err(), rows.Close()); err != nil {
		t.Fatal(err)
	}
	return n
}
