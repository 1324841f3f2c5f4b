package recordtest

import (
	"testing"
	"time"

	"syncline/record"
)

var writeCases = []testCase{
	{"compare and set", testCompareAndSet},
	{"a record tells of its last write", testRecordFields},
	{"a tombstone keeps its schema version and no data", testTombstoneFields},
	{"counts", testCounts},
	{"only accepted writes take a revision and tell", testRevisionsAndHints},
	{"commits are told as the feed shows them", testCommits},
	{"an owner who never wrote", testNobody},
	{"many owners' heads", testHeads},
}

// testCompareAndSet is the table of what each write meets. Each case begins
// with a record a at revision 1, a tombstone t at 3 and no record n.
func testCompareAndSet(t *testing.T, w *world) {
	cases := []struct {
		name    string
		request record.Request
		want    string
		head    record.Revision
	}{
		{"create over nothing", set("n", "x", 0), "success; success 4 n@4=x", 4},
		{"update of nothing", set("n", "x", 1), "conflict; conflict", 3},
		{"delete of nothing", del("n", 1), "conflict; conflict", 3},
		{"delete of nothing at 0", del("n", 0), "conflict; conflict", 3},
		{"create over a record", set("a", "x", 0), "conflict; conflict a@1=one", 3},
		{"update at its revision", set("a", "x", 1), "success; success 4 a@4=x", 4},
		{"update with the same data", set("a", "one", 1), "success; success 4 a@4=one", 4},
		{"update at the head, not its revision", set("a", "x", 3), "conflict; conflict a@1=one", 3},
		{"update ahead", set("a", "x", record.MaxRevision), "conflict; conflict a@1=one", 3},
		{"delete at its revision", del("a", 1), "success; success 4 a@4†", 4},
		{"delete at 0", del("a", 0), "conflict; conflict a@1=one", 3},
		{"delete at another revision", del("a", 2), "conflict; conflict a@1=one", 3},
		{"create over a tombstone", set("t", "x", 0), "success; success 4 t@4=x", 4},
		{"update of a tombstone at its revision", set("t", "x", 3), "success; success 4 t@4=x", 4},
		{"update of a tombstone at another", set("t", "x", 2), "conflict; conflict t@3†", 3},
		{"delete of a tombstone at its revision", del("t", 3), "success; success 3 t@3†", 3},
		{"delete of a tombstone at another", del("t", 2), "conflict; conflict t@3†", 3},
		{"delete of a tombstone at 0", del("t", 0), "conflict; conflict t@3†", 3},
	}
	for i, c := range cases {
		u := w.user(t, byte(i))
		u.put(set("a", "one", 0))
		u.put(set("t", "two", 0))
		u.put(del("t", 2))
		got := u.write(c.request)
		if text := describe(got); text != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, text, c.want)
		}
		if head := u.account().Head; head != c.head {
			t.Errorf("%s: head %d, want %d", c.name, head, c.head)
		}
		if after := got.Results[0].Record; after != nil {
			if stored := u.record(after.ID); stored == nil || show(*stored) != show(*after) {
				t.Errorf("%s: stored %v, answered %s", c.name, stored, show(*after))
			}
		}
	}
}

func testRecordFields(t *testing.T, w *world) {
	u := w.user(t, 1)
	request := withClient("phone", set("a", "x", 0))
	request.Writes[0].SchemaVersion = "v1"
	u.put(request)
	stamp := start.Truncate(time.Microsecond)
	want := record.Record{ID: "a", Revision: 1, SchemaVersion: "v1", ClientID: "phone", UpdatedAt: stamp}
	assertFields(t, *u.record("a"), want)

	later := start.Add(time.Hour)
	w.SetTime(later)
	result := u.write(set("a", "y", 1)) // without client id and schema version
	want = record.Record{ID: "a", Revision: 2, UpdatedAt: later.Truncate(time.Microsecond)}
	assertFields(t, *result.Results[0].Record, want)
	assertFields(t, *u.record("a"), want)
	assertFields(t, u.changes("", 1).Records[0], want)
}

func assertFields(t *testing.T, got, want record.Record) {
	t.Helper()
	got.Data, want.Data = nil, nil
	if !got.UpdatedAt.Equal(want.UpdatedAt) || got.UpdatedAt.Location() != time.UTC {
		t.Fatalf("updated at %v, want %v", got.UpdatedAt, want.UpdatedAt)
	}
	got.UpdatedAt = want.UpdatedAt
	if show(got) != show(want) || got.SchemaVersion != want.SchemaVersion || got.ClientID != want.ClientID {
		t.Fatalf("got %+v, want %+v", got, want)
	}
}

func testTombstoneFields(t *testing.T, w *world) {
	u := w.user(t, 1)
	request := withClient("phone", set("a", "x", 0))
	request.Writes[0].SchemaVersion = "v1"
	u.put(request)
	u.put(withClient("tablet", del("a", 1)))
	stored := *u.record("a")
	if stored.Data != nil {
		t.Errorf("a tombstone with data %q", stored.Data)
	}
	assertFields(t, stored, record.Record{
		ID: "a", Revision: 2, Deleted: true, SchemaVersion: "v1", ClientID: "tablet",
		UpdatedAt: start.Truncate(time.Microsecond),
	})
	u.put(set("a", "again", 0))
	assertRecords(t, []record.Record{*u.record("a")}, "a@3=again")
}

func testCounts(t *testing.T, w *world) {
	u := w.user(t, 1)
	steps := []struct {
		request        record.Request
		records, bytes int64
	}{
		{set("a", "12345", 0), 1, 5},
		{set("b", "", 0), 2, 5},
		{set("a", "123", 1), 2, 3},
		{set("a", "no", 99), 2, 3}, // a conflict
		{del("b", 2), 1, 3},
		{del("b", 4), 1, 3}, // a tombstone already
		{set("b", "1234567", 4), 2, 10},
		{batch(delWrite("a", 3), setWrite("c", "1", 0), setWrite("b", "12", 5)), 2, 3},
		{del("c", 7), 1, 2},
		{del("b", 8), 0, 0},
	}
	for i, step := range steps {
		u.write(step.request)
		a := u.account()
		if a.RecordCount != step.records || a.StoredBytes != step.bytes {
			t.Fatalf("step %d: %d records of %d bytes, want %d of %d", i, a.RecordCount, a.StoredBytes, step.records, step.bytes)
		}
	}
}

func testRevisionsAndHints(t *testing.T, w *world) {
	u := w.user(t, 1)
	assertEqual(t, "first revision", u.put(set("a", "x", 0)), 1)
	assertRevisions(t, "hints", w.hints.take(), 1)
	u.write(set("a", "y", 7)) // conflict
	if _, err := u.try(set("", "y", 0)); err == nil {
		t.Fatal("an empty id was accepted")
	}
	if _, err := u.try(withFence("l", 1, set("b", "y", 0))); err == nil {
		t.Fatal("a fence never granted was accepted")
	}
	assertEqual(t, "head", u.account().Head, 1)
	assertRevisions(t, "hints after refusals", w.hints.take())
	assertEqual(t, "next revision", u.put(del("a", 1)), 2)
	assertEqual(t, "a tombstone's revision", u.put(del("a", 2)), 2)
	assertEqual(t, "head", u.account().Head, 2)
	assertRevisions(t, "hints after a delete and one that changes nothing", w.hints.take(), 2)
	u.write(batch(setWrite("b", "", 0), setWrite("c", "", 0)))
	assertRevisions(t, "hints after a batch", w.hints.take(), 4)
}

func testNobody(t *testing.T, w *world) {
	u := w.user(t, 1)
	a := u.account()
	if a.Epoch == (record.Epoch{}) {
		t.Error("no epoch")
	}
	a.Epoch = record.Epoch{}
	assertEqual(t, "account", a, record.Account{})
	page := u.changes("", 10)
	if len(page.Records) != 0 || page.HasMore || page.Head != 0 {
		t.Errorf("page %+v", page)
	}
	if r := u.record("a"); r != nil {
		t.Errorf("record %+v", r)
	}
	u.write(del("a", 1)) // a refusal leaves nothing behind
	u.put(set("a", "x", 0))
	assertRecords(t, u.changes(page.Cursor.String(), 10).Records, "a@1=x")
}

func testHeads(t *testing.T, w *world) {
	one, two, nobody := w.user(t, 1), w.user(t, 2), w.user(t, 3)
	one.put(set("a", "", 0))
	two.put(set("a", "", 0))
	two.put(set("b", "", 0))
	heads, err := w.service.Heads(t.Context(), []record.Owner{one.owner, nobody.owner, two.owner})
	if err != nil {
		t.Fatal(err)
	}
	if heads[one.owner] != 1 || heads[two.owner] != 2 || heads[nobody.owner] != 0 {
		t.Errorf("heads %v", heads)
	}
	if _, err := w.service.Heads(t.Context(), nil); err != nil {
		t.Errorf("nobody's heads: %v", err)
	}
}
