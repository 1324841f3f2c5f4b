package recordtest

import (
	"fmt"
	"testing"

	"syncline/record"
)

var batchCases = []testCase{
	{"all writes take contiguous revisions in order", testBatchRevisions},
	{"on a conflict nothing is written", testBatchConflict},
	{"a hundred writes", testFullBatch},
	{"bounds and duplicates", testBatchBounds},
	{"only tombstones deleted again", testBatchOfNothing},
}

func testBatchRevisions(t *testing.T, w *world) {
	u := w.user(t, 1)
	u.put(set("a", "1", 0))
	u.put(set("t", "", 0))
	u.put(del("t", 2))
	result := u.write(withClient("phone", batch(
		setWrite("z", "new", 0), delWrite("a", 1), delWrite("t", 3), setWrite("b", "", 0),
	)))
	assertResult(t, result, "success; success 4 z@4=new; success 5 a@5†; success 3 t@3†; success 6 b@6=")
	records, _ := u.walk("3", 10)
	assertRecords(t, records, "z@4=new a@5† b@6=")
	for _, r := range records {
		assertEqual(t, "client id of "+r.ID, r.ClientID, "phone")
	}
}

func testBatchConflict(t *testing.T, w *world) {
	u := w.user(t, 1)
	u.put(set("a", "1", 0))
	w.hints.take()
	result := u.write(withMutation("m", batch(
		setWrite("new", "x", 0), setWrite("a", "2", 0), delWrite("gone", 4), delWrite("a2", 0),
	)))
	assertResult(t, result, "conflict; skipped; conflict a@1=1; conflict; conflict")
	assertEqual(t, "head", u.account().Head, 1)
	assertRevisions(t, "hints", w.hints.take())
	if r := u.record("new"); r != nil {
		t.Errorf("half of the batch was written: %s", show(*r))
	}
}

func testFullBatch(t *testing.T, w *world) {
	u := w.user(t, 1)
	var writes []record.Write
	for i := range record.MaxBatch {
		writes = append(writes, setWrite(fmt.Sprintf("%02d", record.MaxBatch-1-i), "x", 0))
	}
	result := u.write(withMutation("m", batch(writes...)))
	for i, r := range result.Results {
		assertEqual(t, "revision", r.NewRevision, record.Revision(i+1))
		assertEqual(t, "id", r.Record.ID, writes[i].ID)
	}
	again := u.write(withMutation("m", batch(writes...)))
	for i, r := range again.Results {
		assertEqual(t, "replayed revision", r.NewRevision, record.Revision(i+1))
	}
	assertEqual(t, "records", u.account().RecordCount, record.MaxBatch)
}

func testBatchBounds(t *testing.T, w *world) {
	u := w.user(t, 1)
	_, err := u.try(batch())
	assertInvalid(t, err, "writes")
	var many []record.Write
	for i := range record.MaxBatch + 1 {
		many = append(many, setWrite(fmt.Sprint(i), "", 0))
	}
	_, err = u.try(batch(many...))
	assertInvalid(t, err, "writes")
	_, err = u.try(batch(setWrite("a", "", 0), setWrite("b", "", 0), delWrite("a", 1)))
	assertInvalid(t, err, "writes.2.delete.id")
	assertEqual(t, "head", u.account().Head, 0)
}

func testBatchOfNothing(t *testing.T, w *world) {
	u := w.user(t, 1)
	u.write(batch(setWrite("a", "", 0), setWrite("b", "", 0)))
	u.write(batch(delWrite("a", 1), delWrite("b", 2)))
	w.hints.take()
	result := u.write(batch(delWrite("b", 4), delWrite("a", 3)))
	assertResult(t, result, "success; success 4 b@4†; success 3 a@3†")
	assertEqual(t, "head", u.account().Head, 4)
	assertRevisions(t, "hints", w.hints.take())
}
