package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"syncline/auth/signing"
	"syncline/internal/testservers"
)

const (
	crashWriters = 8
	crashOwners  = 3
)

// A server that is killed again and again while writes are in flight keeps each
// acknowledged write exactly once, invents none, leaves no hole in the
// revisions, and answers a retry by mutation id with what really happened.
func TestCrash(t *testing.T) {
	kills := 5
	if long {
		kills = 50
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	server := testservers.StartSyncline(t)
	writers := newCrashWriters(t, server.URL(), seed)

	for round := range kills {
		crashRound(t, server, writers, 5+random.Int64N(80))
		server.Start()
		for owner := range crashOwners {
			checkAfterCrash(t, writers, owner)
		}
		settle(t, writers)
		for owner := range crashOwners {
			checkSettled(t, writers, owner)
		}
		if t.Failed() {
			t.Fatalf("failed in round %d", round)
		}
	}
}

// crashRound lets all writers write until enough was acknowledged, kills the
// server, and returns when each writer has noticed.
func crashRound(t *testing.T, server *testservers.Syncline, writers []*crashWriter, acks int64) {
	t.Helper()
	var acknowledged atomic.Int64
	enough := make(chan struct{})
	var wg sync.WaitGroup
	for _, w := range writers {
		wg.Go(func() {
			for w.write(t.Context()) == nil {
				if acknowledged.Add(1) == acks {
					close(enough)
				}
			}
		})
	}
	select {
	case <-enough:
	case <-time.After(time.Minute):
		t.Errorf("only %d of %d writes were acknowledged in a minute\n%s", acknowledged.Load(), acks, server.Log())
	}
	server.Kill()
	wg.Wait()
}

// settle retries what was in flight, with the same mutation ids.
func settle(t *testing.T, writers []*crashWriter) {
	t.Helper()
	for _, w := range writers {
		if err := w.send(t.Context()); err != nil {
			t.Errorf("writer %d: retry of %s: %v", w.number, w.pending.mutationID, err)
		}
	}
}

// crashWriter is the only writer of its records, so that it knows what each
// must be. It shares its owner, and so its revisions, with other writers.
type crashWriter struct {
	*device
	number  int
	owner   int
	random  *rand.Rand
	made    int
	records map[string]stored // as last acknowledged
	taken   []int64           // revisions acknowledged
	pending *crashWrite       // sent, and not acknowledged yet
}

type crashWrite struct {
	mutationID string
	writes     []map[string]any
	after      []stored // the state of each record when it is applied, without revision
}

func newCrashWriters(t *testing.T, url string, seed uint64) []*crashWriter {
	t.Helper()
	var keys [crashOwners]signing.PrivateKey
	for i := range keys {
		keys[i] = newKey(t)
	}
	writers := make([]*crashWriter, crashWriters)
	for i := range writers {
		writers[i] = &crashWriter{
			device:  newDevice(url, keys[i%crashOwners]),
			number:  i,
			owner:   i % crashOwners,
			random:  rand.New(rand.NewPCG(seed, uint64(i)+2)),
			records: map[string]stored{},
		}
	}
	return writers
}

// write begins a new write and sends it.
func (w *crashWriter) write(ctx context.Context) error {
	w.made++
	p := &crashWrite{mutationID: fmt.Sprintf("w%d-%d", w.number, w.made)}
	used := map[string]bool{}
	for range 1 + w.random.IntN(3) {
		w.addWrite(p, used)
	}
	w.pending = p
	return w.send(ctx)
}

// addWrite adds a create, an update or a delete of a record that the write does
// not touch yet.
func (w *crashWriter) addWrite(p *crashWrite, used map[string]bool) {
	id := fmt.Sprintf("w%d-r%d", w.number, w.random.IntN(40))
	if used[id] {
		return
	}
	used[id] = true
	known, exists := w.records[id]
	if exists && !known.Deleted && w.random.IntN(4) == 0 {
		p.writes = append(p.writes, map[string]any{"delete": map[string]any{"id": id, "revision": known.Revision}})
		p.after = append(p.after, stored{ID: id, Deleted: true})
		return
	}
	data := []byte(p.mutationID + "/" + strconv.Itoa(len(p.writes)))
	p.writes = append(p.writes, map[string]any{"set": map[string]any{"id": id, "data": data, "revision": known.Revision}})
	p.after = append(p.after, stored{ID: id, Data: data})
}

const writeRecords = `mutation($input: WriteRecordsInput!) { writeRecords(input: $input) {
	status replayed results { status newRevision record { id data revision deleted } } } }`

// send sends the pending write, and remembers it when it is acknowledged.
func (w *crashWriter) send(ctx context.Context) error {
	var out struct {
		WriteRecords struct {
			Status  string
			Results []outcome
		}
	}
	input := map[string]any{"writes": w.pending.writes, "mutationId": w.pending.mutationID}
	if err := w.call(ctx, writeRecords, map[string]any{"input": input}, &out); err != nil {
		return err
	}
	if out.WriteRecords.Status != "SUCCESS" {
		return fmt.Errorf("status %s for the only writer of these records", out.WriteRecords.Status)
	}
	for i, r := range out.WriteRecords.Results {
		after := w.pending.after[i]
		after.Revision = r.NewRevision
		w.records[after.ID] = after
		w.taken = append(w.taken, r.NewRevision)
	}
	w.pending = nil
	return nil
}

// checkAfterCrash compares what the restarted server has with what was
// acknowledged: a record is as it was acknowledged last, or as the write in
// flight leaves it, and that write is there whole or not at all.
func checkAfterCrash(t *testing.T, writers []*crashWriter, owner int) {
	t.Helper()
	found := readOwner(t, writers, owner)
	for _, w := range writers {
		if w.owner != owner {
			continue
		}
		applied := 0
		for _, after := range w.pending.after {
			if r, ok := found[after.ID]; ok && sameState(r, after) && r.Revision > w.records[after.ID].Revision {
				applied++
				delete(found, after.ID)
			}
		}
		if applied != 0 && applied != len(w.pending.after) {
			t.Errorf("writer %d: %d of the %d writes of a batch in flight are there", w.number, applied, len(w.pending.after))
		}
		if applied > 0 {
			for _, after := range w.pending.after {
				delete(found, after.ID)
			}
		}
		checkAcknowledged(t, w, found, applied > 0)
	}
	for id := range found {
		t.Errorf("record %s was written by nobody", id)
	}
}

func checkAcknowledged(t *testing.T, w *crashWriter, found map[string]stored, pendingApplied bool) {
	t.Helper()
	overwritten := map[string]bool{}
	if pendingApplied {
		for _, after := range w.pending.after {
			overwritten[after.ID] = true
		}
	}
	for id, want := range w.records {
		if overwritten[id] {
			continue
		}
		got, ok := found[id]
		delete(found, id)
		if want.Deleted && !ok {
			continue // a walk from the beginning leaves tombstones out
		}
		if !ok || !sameState(got, want) || got.Revision != want.Revision {
			t.Errorf("record %s: %+v; acknowledged %+v", id, got, want)
		}
	}
}

// checkSettled checks that the acknowledged revisions are exactly those from 1
// to the head: none lost, none doubled, none taken by an unknown write.
func checkSettled(t *testing.T, writers []*crashWriter, owner int) {
	t.Helper()
	times := map[int64]int{}
	var reader *crashWriter
	for _, w := range writers {
		if w.owner != owner {
			continue
		}
		reader = w
		for _, r := range w.taken {
			times[r]++
		}
	}
	_, head, err := reader.walk(t.Context(), "0")
	if err != nil {
		t.Fatal(err)
	}
	for r := int64(1); r <= head; r++ {
		if times[r] != 1 {
			t.Errorf("owner %d: revision %d was acknowledged %d times", owner, r, times[r])
		}
	}
	if int64(len(times)) != head {
		t.Errorf("owner %d: %d revisions were acknowledged, the head is %d", owner, len(times), head)
	}
}

func readOwner(t *testing.T, writers []*crashWriter, owner int) map[string]stored {
	t.Helper()
	for _, w := range writers {
		if w.owner != owner {
			continue
		}
		records, _, err := w.walk(t.Context(), "0")
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]stored{}
		for _, r := range records {
			found[r.ID] = r
		}
		return withTombstones(t, w, found, writers)
	}
	return nil
}

// withTombstones adds the deleted records, which a walk leaves out.
func withTombstones(t *testing.T, reader *crashWriter, found map[string]stored, writers []*crashWriter) map[string]stored {
	t.Helper()
	var ids []string
	for _, w := range writers {
		if w.owner != reader.owner {
			continue
		}
		for _, after := range w.pending.after {
			ids = append(ids, after.ID)
		}
	}
	var out struct{ Records []*stored }
	err := reader.call(t.Context(), `query($ids: [ID!]!) { records(ids: $ids) { id data revision deleted } }`,
		map[string]any{"ids": ids}, &out)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range out.Records {
		if r != nil {
			found[r.ID] = *r
		}
	}
	return found
}

func sameState(a, b stored) bool {
	return a.ID == b.ID && a.Deleted == b.Deleted && string(a.Data) == string(b.Data)
}

func newKey(t *testing.T) signing.PrivateKey {
	t.Helper()
	key, err := signing.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}
