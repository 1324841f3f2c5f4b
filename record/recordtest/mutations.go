package recordtest

import (
	"sync"
	"testing"

	"syncline/record"
)

var mutationCases = []testCase{
	{"a retry is answered and applied once", testReplay},
	{"a replay shows the present state", testReplayShowsPresent},
	{"other content is refused", testMutationReuse},
	{"what is not content may differ", testReplayIgnoresEnvelope},
	{"a conflict is not remembered", testConflictIsForgotten},
	{"a refusal is not remembered", testRefusalIsForgotten},
	{"a batch is replayed whole", testBatchReplay},
	{"a delete of a tombstone is remembered", testReplayOfNothing},
	{"ids belong to the owner and are compared as bytes", testMutationIDs},
	{"racing copies apply once", testRacingCopies},
}

func testReplay(t *testing.T, w *world) {
	u := w.user(t, 1)
	request := withMutation("m", set("a", "x", 0))
	assertResult(t, u.write(request), "success; success 1 a@1=x")
	w.hints.take()
	w.SetTime(start.AddDate(0, 1, 0))
	for range 2 {
		assertResult(t, u.write(request), "success replayed; success 1 a@1=x")
	}
	assertEqual(t, "head", u.account().Head, 1)
	assertRevisions(t, "hints", w.hints.take())

	remove := withMutation("d", del("a", 1))
	assertResult(t, u.write(remove), "success; success 2 a@2†")
	assertResult(t, u.write(remove), "success replayed; success 2 a@2†")
}

func testReplayShowsPresent(t *testing.T, w *world) {
	u := w.user(t, 1)
	request := withMutation("m", set("a", "x", 0))
	u.put(request)
	u.put(set("a", "newer", 1))
	assertResult(t, u.write(request), "success replayed; success 1 a@2=newer")
	u.put(del("a", 2))
	assertResult(t, u.write(request), "success replayed; success 1 a@3†")
	u.put(set("b", "", 0))
	w.Purge(t, u.owner, 3)
	assertResult(t, u.write(request), "success replayed; success 1")
}

func testMutationReuse(t *testing.T, w *world) {
	u := w.user(t, 1)
	original := set("a", "x", 0)
	original.Writes[0].SchemaVersion = "1"
	u.put(withMutation("m", original))
	version := set("a", "x", 0)
	version.Writes[0].SchemaVersion = "2"
	asBatch := original
	asBatch.Kind = record.KindBatch
	for name, other := range map[string]record.Request{
		"id": withVersion("1", set("b", "x", 0)), "data": withVersion("1", set("a", "y", 0)),
		"revision": withVersion("1", set("a", "x", 1)), "schema version": version,
		"operation": del("a", 1), "kind": asBatch,
	} {
		_, err := u.try(withMutation("m", other))
		t.Log(name)
		assertIs(t, err, record.ErrMutationIDReused)
	}
	assertEqual(t, "head", u.account().Head, 1)
}

func withVersion(version string, r record.Request) record.Request {
	r.Writes[0].SchemaVersion = version
	return r
}

func testReplayIgnoresEnvelope(t *testing.T, w *world) {
	u := w.user(t, 1)
	u.put(withMutation("m", withClient("phone", set("a", "x", 0))))
	// The mutation id is judged before the fence.
	retry := withFence("never granted", 9, withMutation("m", withClient("tablet", set("a", "x", 0))))
	assertResult(t, u.write(retry), "success replayed; success 1 a@1=x")
	assertEqual(t, "client id", u.record("a").ClientID, "phone")
}

func testConflictIsForgotten(t *testing.T, w *world) {
	u := w.user(t, 1)
	u.put(set("a", "x", 0))
	request := withMutation("m", set("a", "y", 2))
	assertResult(t, u.write(request), "conflict; conflict a@1=x")
	u.put(set("a", "z", 1))
	assertResult(t, u.write(request), "success; success 3 a@3=y")
	assertResult(t, u.write(request), "success replayed; success 3 a@3=y")
	u.write(withMutation("n", set("a", "y", 2)))
	u.put(withMutation("n", set("b", "other", 0))) // as new: the conflict left no trace
}

func testRefusalIsForgotten(t *testing.T, w *world) {
	u := w.user(t, 1)
	request := withMutation("m", withFence("l", 2, set("a", "x", 0)))
	if _, err := u.try(request); err == nil {
		t.Fatal("a fence never granted was accepted")
	}
	w.Grant(t, u.owner, "l", 2)
	assertResult(t, u.write(request), "success; success 1 a@1=x")
}

func testBatchReplay(t *testing.T, w *world) {
	u := w.user(t, 1)
	u.put(set("t", "", 0))
	u.put(del("t", 1))
	request := withMutation("m", batch(setWrite("b", "2", 0), delWrite("t", 2), setWrite("a", "1", 0)))
	assertResult(t, u.write(request), "success; success 3 b@3=2; success 2 t@2†; success 4 a@4=1")
	u.put(set("a", "11", 4))
	w.hints.take()
	assertResult(t, u.write(request), "success replayed; success 3 b@3=2; success 2 t@2†; success 4 a@5=11")
	assertRevisions(t, "hints", w.hints.take())
	reordered := withMutation("m", batch(setWrite("a", "1", 0), delWrite("t", 2), setWrite("b", "2", 0)))
	_, err := u.try(reordered)
	assertIs(t, err, record.ErrMutationIDReused)
}

func testReplayOfNothing(t *testing.T, w *world) {
	u := w.user(t, 1)
	u.put(set("a", "", 0))
	u.put(del("a", 1))
	request := withMutation("m", del("a", 2))
	assertResult(t, u.write(request), "success; success 2 a@2†")
	u.put(set("a", "again", 0))
	assertResult(t, u.write(request), "success replayed; success 2 a@3=again")
}

func testMutationIDs(t *testing.T, w *world) {
	one, two := w.user(t, 1), w.user(t, 2)
	one.put(withMutation("m", set("a", "one", 0)))
	assertResult(t, two.write(withMutation("m", set("a", "two", 0))), "success; success 1 a@1=two")
	for i, id := range []string{"M", "m ", "é", "e\u0301", "%", "_"} {
		one.put(withMutation(id, set("b"+string(rune('0'+i)), "", 0)))
	}
	assertEqual(t, "head", one.account().Head, 7)
}

func testRacingCopies(t *testing.T, w *world) {
	u := w.user(t, 1)
	request := withMutation("m", batch(setWrite("a", "x", 0), setWrite("b", "y", 0)))
	results := make([]record.Result, 12)
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() {
			var err error
			if results[i], err = u.try(request); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	first := 0
	for _, r := range results {
		want := "success replayed; success 1 a@1=x; success 2 b@2=y"
		if !r.Replayed {
			first++
			want = "success; success 1 a@1=x; success 2 b@2=y"
		}
		assertResult(t, r, want)
	}
	assertEqual(t, "copies that applied", first, 1)
	assertEqual(t, "head", u.account().Head, 2)
	assertRevisions(t, "hints", w.hints.take(), 2)
}
