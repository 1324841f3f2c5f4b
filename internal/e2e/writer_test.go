package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"syncline/auth/signing"
)

const (
	writerCount = 8
	ownerCount  = 3
)

// writer is the only writer of its records, so that it knows what each must be.
// It shares its owner, and so its revisions, with other writers.
type writer struct {
	*device
	number  int
	owner   int
	random  *rand.Rand
	made    int
	records map[string]stored // as last acknowledged
	taken   []int64           // revisions acknowledged
	pending *batch            // sent, and not acknowledged yet; may be nil
}

// batch is a write that is retried until it is acknowledged.
type batch struct {
	mutationID string
	writes     []map[string]any
	after      []stored // the state of each record when it is applied, without revision
	// unsure: some try may have been applied, as far as its writer was told.
	unsure bool
}

// newWriters makes writers of a few owners, each owner's spread over the urls.
func newWriters(t *testing.T, urls []string, seed uint64) []*writer {
	t.Helper()
	var keys [ownerCount]signing.PrivateKey
	for i := range keys {
		keys[i] = newKey(t)
	}
	writers := make([]*writer, writerCount)
	for i := range writers {
		writers[i] = &writer{
			device:  newDevice(urls[i/ownerCount%len(urls)], keys[i%ownerCount]),
			number:  i,
			owner:   i % ownerCount,
			random:  rand.New(rand.NewPCG(seed, uint64(i)+2)),
			records: map[string]stored{},
		}
	}
	return writers
}

// write begins a new write and sends it.
func (w *writer) write(ctx context.Context) error {
	w.begin()
	return w.send(ctx)
}

// begin makes up a new write.
func (w *writer) begin() {
	w.made++
	b := &batch{mutationID: fmt.Sprintf("w%d-%d", w.number, w.made)}
	used := map[string]bool{}
	for range 1 + w.random.IntN(3) {
		w.addWrite(b, used)
	}
	w.pending = b
}

// addWrite adds a create, an update or a delete of a record that the batch does
// not touch yet.
func (w *writer) addWrite(b *batch, used map[string]bool) {
	id := fmt.Sprintf("w%d-r%d", w.number, w.random.IntN(40))
	if used[id] {
		return
	}
	used[id] = true
	known, exists := w.records[id]
	if exists && !known.Deleted && w.random.IntN(4) == 0 {
		b.writes = append(b.writes, map[string]any{"delete": map[string]any{"id": id, "revision": known.Revision}})
		b.after = append(b.after, stored{ID: id, Deleted: true})
		return
	}
	data := []byte(b.mutationID + "/" + strconv.Itoa(len(b.writes)))
	b.writes = append(b.writes, map[string]any{"set": map[string]any{"id": id, "data": data, "revision": known.Revision}})
	b.after = append(b.after, stored{ID: id, Data: data})
}

const writeRecords = `mutation($input: WriteRecordsInput!) { writeRecords(input: $input) {
	status replayed results { status newRevision record { id data revision deleted } } } }`

// errWrong marks an answer that the service must not give, whatever fails.
var errWrong = errors.New("a wrong answer")

// send sends the pending write once, and remembers it when it is acknowledged.
func (w *writer) send(ctx context.Context) error {
	var out struct {
		WriteRecords struct {
			Status   string
			Replayed bool
			Results  []outcome
		}
	}
	input := map[string]any{"writes": w.pending.writes, "mutationId": w.pending.mutationID}
	if err := w.call(ctx, writeRecords, map[string]any{"input": input}, &out); err != nil {
		return w.noteError(err)
	}
	switch answer := out.WriteRecords; {
	case answer.Status != "SUCCESS":
		return fmt.Errorf("%w: status %s for the only writer of these records", errWrong, answer.Status)
	case answer.Replayed && !w.pending.unsure:
		return fmt.Errorf("%w: %s was applied before, though each earlier answer said NOT_APPLIED", errWrong, w.pending.mutationID)
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

// noteError takes note of what an error says of the pending write.
func (w *writer) noteError(err error) error {
	refused, ok := errors.AsType[*refusal](err)
	if !ok {
		w.pending.unsure = true // no answer came
		return err
	}
	switch code, outcome := refused.text("code"), refused.text("outcome"); {
	case code == "UNAVAILABLE" && outcome == "UNKNOWN":
		w.pending.unsure = true
	case code == "UNAVAILABLE" && outcome == "NOT_APPLIED":
	case code == "SIGNATURE_EXPIRED":
		return w.correctClock(refused)
	default:
		return fmt.Errorf("%w: %w", errWrong, err)
	}
	return err
}

func (w *writer) correctClock(refused *refusal) error {
	now, err := time.Parse(time.RFC3339, refused.text("serverTime"))
	if err != nil {
		return fmt.Errorf("%w: %w", errWrong, refused)
	}
	w.ahead = time.Until(now)
	return refused
}

// retryPending retries what is in flight, with the same mutation ids, until each is
// acknowledged.
func retryPending(t *testing.T, writers []*writer) {
	t.Helper()
	for _, w := range writers {
		var last error
		until(t, time.Minute, func() bool {
			if w.pending != nil {
				last = w.send(t.Context())
			}
			return w.pending == nil || errors.Is(last, errWrong)
		}, func() { t.Errorf("writer %d: %s is never acknowledged", w.number, w.pending.mutationID) })
		if w.pending != nil {
			t.Errorf("writer %d: retry of %s: %v", w.number, w.pending.mutationID, last)
		}
	}
}

func newKey(t *testing.T) signing.PrivateKey {
	t.Helper()
	key, err := signing.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}
