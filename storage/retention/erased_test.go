package retention_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"syncline/internal/testservers"
	"syncline/record"
	"syncline/storage/records"
	"syncline/storage/retention"
	"syncline/storage/row"
)

func (h *house) erase(t *testing.T, mutationID *string) record.Erasure {
	t.Helper()
	erasure, _, err := h.service.EraseAccount(context.WithoutCancel(t.Context()), alice, alice.String(), mutationID)
	if err != nil {
		t.Fatal(err)
	}
	return erasure
}

// rows counts what is stored of all owners.
func (h *house) rows(t *testing.T) string {
	ctx := context.WithoutCancel(t.Context())
	return fmt.Sprintf("%d records, %d mutation ids, %d erasures", h.db.Read.Record.Query().CountX(ctx),
		h.db.Read.AppliedMutation.Query().CountX(ctx), h.db.Read.Erasure.Query().CountX(ctx))
}

// many writes as many batches of 100 records, each with a mutation id.
func (h *house) many(t *testing.T, owner record.Owner, batches int) {
	t.Helper()
	for n := range batches {
		id := fmt.Sprint("batch ", n)
		batch := record.Request{Kind: record.KindBatch, MutationID: &id}
		for i := range 100 {
			batch.Writes = append(batch.Writes, record.Write{ID: fmt.Sprint(n, ".", i), Data: []byte("x")})
		}
		if _, err := h.service.Write(t.Context(), owner, batch); err != nil {
			t.Fatal(err)
		}
	}
}

func testErased(t *testing.T, h *house) {
	h.many(t, alice, 21) // more than a page, and than units are carried out at a time
	h.put(t, ownerNumber(2), "another's")
	h.bury(t, alice, "tombstone")
	id := "erasure"
	erasure := h.erase(t, &id)
	if erasure.Records != 2100 {
		t.Errorf("%+v", erasure)
	}
	h.put(t, alice, "0.7")
	h.put(t, alice, "since then")
	if got, want := h.rows(t), "2103 records, 22 mutation ids, 1 erasures"; got != want {
		t.Errorf("before a sweep there are %s, want %s", got, want)
	}
	if swept := h.sweep(t, 0, 0); swept.Erased != 2100+21 { // one of 2101 was written again
		t.Errorf("swept %+v", swept)
	}
	if got, want := h.rows(t), "3 records, 1 mutation ids, 0 erasures"; got != want {
		t.Errorf("%s are left, want %s", got, want)
	}
	a, err := h.service.Account(t.Context(), alice)
	if err != nil || a.RecordCount != 2 || a.StoredBytes != int64(len("0.7since then")) || a.Head != erasure.Revision+2 {
		t.Errorf("account %+v, %v", a, err)
	}
	if size := (&row.Mutation{Revisions: make([]byte, 4)}).Size("erasure"); a.Tombstones != 0 || a.MutationBytes != size {
		t.Errorf("account %+v, want no tombstones and %d bytes of mutation ids", a, size)
	}
	if again := h.erase(t, &id); !again.Replayed || again.Records != 2100 {
		t.Errorf("a retry after the sweep: %+v", again)
	}
	if swept := h.sweep(t, 0, 0); swept.Erased != 0 {
		t.Errorf("a second sweep removed %+v", swept)
	}
}

// testErasedTwice erases again before all of the first erasure is removed.
func testErasedTwice(t *testing.T, h *house) {
	h.many(t, alice, 1)
	h.erase(t, nil)
	resume := h.engine.Pause()
	swept := make(chan error, 1)
	go func() {
		_, err := h.sweeper(0, 0).Sweep(t.Context())
		swept <- err
	}()
	testservers.Await(t, "the units wait", func(context.Context) bool { return h.engine.Waiting() == 2 })
	elsewhere := record.NewService(records.New(h.db, h.db.NewEngine()), nowhere{}, silent)
	if _, err := elsewhere.Write(t.Context(), alice, record.Request{Kind: record.KindSet, Writes: []record.Write{{ID: "a"}}}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := elsewhere.EraseAccount(t.Context(), alice, alice.String(), nil); err != nil {
		t.Fatal(err)
	}
	resume()
	if err := <-swept; err != nil {
		t.Fatal(err)
	}
	if got, want := h.rows(t), "1 records, 0 mutation ids, 1 erasures"; got != want {
		t.Errorf("after the first sweep there are %s, want %s", got, want)
	}
	h.sweep(t, 0, 0)
	if got, want := h.rows(t), "0 records, 0 mutation ids, 0 erasures"; got != want {
		t.Errorf("after the second sweep there are %s, want %s", got, want)
	}
}

// testErasedAndOld has retention meet what was erased: the account counts it no more.
func testErasedAndOld(t *testing.T, h *house) {
	h.many(t, alice, 1)
	h.bury(t, alice, "erased tombstone")
	h.erase(t, nil)
	h.elapse(50 * day)
	h.bury(t, alice, "tombstone")
	h.write(t, alice, record.Write{ID: "a"}, "young")
	h.elapse(50 * day)
	if _, err := h.db.Write.Erasure.Delete().Exec(t.Context()); err != nil { // so that the sweep leaves it to retention
		t.Fatal(err)
	}
	if swept := h.sweep(t, 90*day, 90*day); swept != (retention.Swept{Tombstones: 1, Mutations: 1}) {
		t.Errorf("swept %+v", swept)
	}
	a, err := h.service.Account(t.Context(), alice)
	if size := (&row.Mutation{Revisions: make([]byte, 1)}).Size("young"); err != nil || a.Tombstones != 1 || a.MutationBytes != size {
		t.Errorf("account %+v, %v; want one tombstone and %d bytes of mutation ids", a, err, size)
	}
}

// What cannot be removed is seen by nobody all the same, and the next sweep has
// another try.
func TestAnErasureThatIsCutShortGoesOn(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testservers.SQLite(t))
	h.many(t, alice, 5)
	h.erase(t, nil)
	ctx := t.Context()
	_, err := h.db.Write.ExecContext(ctx, `CREATE TRIGGER stuck BEFORE DELETE ON syncline_records
WHEN old.id = '3.3' BEGIN SELECT raise(ABORT, 'it is stuck'); END`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.sweeper(0, 0).Sweep(ctx); err == nil || !strings.Contains(err.Error(), "it is stuck") {
		t.Errorf("not the failure: %v", err)
	}
	if got, want := h.rows(t), "50 records, 5 mutation ids, 1 erasures"; got != want {
		t.Errorf("%s are left, want %s", got, want)
	}
	page, err := h.service.Changes(ctx, alice, record.Cursor{}, 10)
	if err != nil || len(page.Records) != 0 || page.HasMore {
		t.Errorf("half erased, a walk shows %+v, %v", page, err)
	}
	if _, err := h.db.Write.ExecContext(ctx, "DROP TRIGGER stuck"); err != nil {
		t.Fatal(err)
	}
	h.sweep(t, 0, 0)
	if got, want := h.rows(t), "0 records, 0 mutation ids, 0 erasures"; got != want {
		t.Errorf("%s are left, want %s", got, want)
	}
}

// testEraseBesideAll erases again and again through two instances, beside writers,
// walks, live feeds and sweeps. Whatever is read after an erasure was answered is from after
// it, and in the end each mirror equals the store, which keeps nothing else.
func testEraseBesideAll(t *testing.T, h *house) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	const writers, writes, mirrors, erasures = 3, 100, 3, 12
	elsewhere := records.New(h.db, h.db.NewEngine())
	elsewhere.SetClock(h.time)
	instances := []*record.Service{h.service, record.NewService(elsewhere, nowhere{}, silent)}
	var work, background sync.WaitGroup
	done := make(chan struct{})
	until := func(f func()) {
		background.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					f()
				}
			}
		})
	}
	var answered atomic.Int64 // the newest erasure's revision
	for n := range writers {
		random := rand.New(rand.NewPCG(seed, uint64(n)))
		work.Go(func() {
			for i := range writes {
				w := record.Write{ID: fmt.Sprintf("%d/%d", n, random.IntN(200)), Data: []byte(fmt.Sprint(i))}
				after := record.Revision(answered.Load())
				result, err := writeOver(t.Context(), instances[random.IntN(2)], w)
				if err != nil || result.Results[0].NewRevision <= after {
					t.Errorf("%+v after an erasure at %d: %+v, %v", w, after, result, err)
					return
				}
			}
		})
	}
	work.Go(func() {
		for i := range erasures {
			erasure, _, err := instances[i%2].EraseAccount(t.Context(), alice, alice.String(), nil)
			if err != nil {
				t.Error(err)
				return
			}
			answered.Store(int64(erasure.Revision))
		}
	})
	until(func() {
		if _, err := h.sweeper(0, 0).Sweep(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	all := make([]*mirror, 2*mirrors)
	for n := range all {
		all[n] = &mirror{records: map[string]record.Revision{}, random: rand.New(rand.NewPCG(seed, uint64(100+n)))}
	}
	running, stop := context.WithCancel(t.Context())
	defer stop()
	until(func() { h.live(t, running, all[mirrors:]) })
	for _, m := range all[:mirrors] {
		until(func() {
			after := record.Revision(answered.Load())
			began := len(m.found) == 0
			for more := true; more; began = false {
				more = m.follow(t, h)
				for id, revision := range m.found {
					if began && revision <= after {
						t.Errorf("%s at %d is seen after an erasure at %d", id, revision, after)
					}
				}
			}
		})
	}
	work.Wait()
	close(done)
	stop()
	background.Wait()
	if t.Failed() {
		return
	}
	h.sweep(t, 0, 0)
	a, err := h.service.Account(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := h.rows(t), fmt.Sprintf("%d records, 0 mutation ids, 0 erasures", a.RecordCount); got != want {
		t.Errorf("%s are stored, want %s", got, want)
	}
	for n, m := range all {
		t.Logf("mirror %d began again %d times", n, m.restarts)
		for m.follow(t, h) {
		}
		if int64(len(m.records)) != a.RecordCount {
			t.Errorf("mirror %d has %d records of %d", n, len(m.records), a.RecordCount)
		}
		for id, revision := range m.records {
			if r, err := h.service.Record(t.Context(), alice, id); err != nil || r == nil || r.Revision != revision {
				t.Errorf("mirror %d has %s at %d; the store has %+v, %v", n, id, revision, r, err)
			}
		}
	}
}

// writeOver writes over whatever is there.
func writeOver(ctx context.Context, service *record.Service, w record.Write) (record.Result, error) {
	for {
		result, err := service.Write(ctx, alice, record.Request{Kind: record.KindSet, Writes: []record.Write{w}})
		if err != nil || result.Status == record.Success {
			return result, err
		}
		w.Revision = 0
		if r := result.Results[0].Record; r != nil {
			w.Revision = r.Revision
		}
	}
}
