package recordtest

import (
	"bytes"
	"fmt"
	"strconv"
	"testing"

	"syncline/record"
)

var feedCases = []testCase{
	{"latest states in order of revision", testFeedOrder},
	{"pages resume exactly", testPages},
	{"a walk from the beginning leaves out old tombstones", testWalkLeavesOutTombstones},
	{"a walk brings what changes meanwhile", testWalkIncludesLater},
	{"each record's own cursor resumes after it", testRecordCursors},
	{"plain numbers", testPlainCursors},
	{"cursors ahead or foreign", testForeignCursors},
	{"the floor", testFloor},
	{"a walk outlives the floor up to its head", testWalkAndFloor},
	{"pages are bounded in bytes", testPageBytes},
	{"a page holds at least one record", testPageOfOne},
	{"bounds of first", testFirst},
}

func testFeedOrder(t *testing.T, w *world) {
	u := w.user(t, 1)
	u.put(set("c", "1", 0))
	u.put(set("a", "2", 0))
	u.put(set("b", "3", 0))
	u.put(set("c", "4", 1))
	u.put(del("a", 2))
	u.put(set("d", "6", 0))
	page := u.changes(cursorAt(u, 0), 10)
	assertRecords(t, page.Records, "b@3=3 c@4=4 a@5† d@6=6")
	assertEqual(t, "more", page.HasMore, false)
	assertEqual(t, "head", page.Head, 6)
	assertRecords(t, u.changes(page.Cursor.String(), 10).Records, "")
}

// cursorAt is an opaque cursor of the present epoch.
func cursorAt(u user, position record.Revision) string {
	u.t.Helper()
	return record.CursorAt(u.account().Epoch, position).String()
}

func testPages(t *testing.T, w *world) {
	u := w.user(t, 1)
	for i := range 7 {
		u.put(set(strconv.Itoa(i), "", 0))
	}
	cursor, sizes := "", []int{}
	for more := true; more; {
		page := u.changes(cursor, 3)
		assertEqual(t, "head", page.Head, 7)
		sizes = append(sizes, len(page.Records))
		cursor, more = page.Cursor.String(), page.HasMore
	}
	assertEqual(t, "pages", fmt.Sprint(sizes), "[3 3 1]")
	exact := u.changes("", 7)
	assertEqual(t, "more after a page that holds all", exact.HasMore, false)
	assertEqual(t, "one cursor for one position", exact.Cursor.String(), cursor)
	u.put(set("8", "", 0))
	assertRecords(t, u.changes(cursor, 3).Records, "8@8=")
}

func testWalkLeavesOutTombstones(t *testing.T, w *world) {
	u := w.user(t, 1)
	u.write(batch(setWrite("a", "", 0), setWrite("b", "", 0), setWrite("c", "", 0)))
	u.put(del("b", 2))
	for _, beginning := range []string{"", "0"} {
		page := u.changes(beginning, 2)
		assertRecords(t, page.Records, "a@1= c@3=")
		assertEqual(t, "more, when only a tombstone is left", page.HasMore, false)
		assertRecords(t, u.changes(page.Cursor.String(), 2).Records, "")
	}
	assertRecords(t, u.changes("1", 5).Records, "c@3= b@4†")
	u.put(del("a", 1))
	u.put(del("c", 3))
	page := u.changes("", 5)
	assertRecords(t, page.Records, "")
	assertEqual(t, "more", page.HasMore, false)
	assertRecords(t, u.changes(page.Cursor.String(), 5).Records, "")
}

func testWalkIncludesLater(t *testing.T, w *world) {
	u := w.user(t, 1)
	u.write(batch(setWrite("a", "", 0), setWrite("b", "", 0), setWrite("c", "", 0), setWrite("d", "", 0)))
	u.put(del("d", 4)) // 5: before the walk
	first := u.changes("", 1)
	assertRecords(t, first.Records, "a@1=")
	u.put(del("c", 3))        // 6: after the walk began
	u.put(set("b", "new", 2)) // 7: moves forward
	u.put(del("a", 1))        // 8: was shown already
	rest, cursor := u.walk(first.Cursor.String(), 1)
	assertRecords(t, rest, "c@6† b@7=new a@8†")
	u.put(del("b", 7))
	rest, _ = u.walk(cursor, 1)
	assertRecords(t, rest, "b@9†")
}

func testRecordCursors(t *testing.T, w *world) {
	u := w.user(t, 1)
	u.write(batch(setWrite("a", "", 0), setWrite("b", "", 0), setWrite("c", "", 0)))
	u.put(del("b", 2))
	page := u.changes("", 10)
	assertEqual(t, "cursors", len(page.Cursors), 2)
	assertRecords(t, u.changes(page.Cursors[0].String(), 10).Records, "c@3=") // still of the walk
	assertRecords(t, u.changes(page.Cursors[1].String(), 10).Records, "")
	u.put(set("d", "", 0))
	assertRecords(t, u.changes(page.Cursors[1].String(), 10).Records, "d@5=")
}

func testPlainCursors(t *testing.T, w *world) {
	u := w.user(t, 1)
	u.write(batch(setWrite("a", "", 0), setWrite("b", "", 0)))
	assertRecords(t, u.changes("1", 10).Records, "b@2=")
	assertRecords(t, u.changes("2", 10).Records, "")
	_, err := u.tryChanges("3", 10)
	assertEpochMismatch(t, err, 2)
}

func testForeignCursors(t *testing.T, w *world) {
	u := w.user(t, 1)
	u.write(batch(setWrite("a", "", 0), setWrite("b", "", 0)))
	_, err := u.tryChanges(cursorAt(u, 3), 10)
	assertEpochMismatch(t, err, 2)
	_, err = u.tryChanges(record.CursorAt(record.Epoch{1, 2, 3}, 1).String(), 10)
	assertEpochMismatch(t, err, 0)
	stranger := w.user(t, 2)
	_, err = stranger.tryChanges(cursorAt(u, 1), 10)
	assertEpochMismatch(t, err, 0) // ahead of a head of 0
}

func testFloor(t *testing.T, w *world) {
	u := w.user(t, 1)
	u.write(batch(setWrite("a", "", 0), setWrite("b", "", 0), setWrite("c", "", 0)))
	u.put(del("b", 2))
	u.put(del("c", 3))
	w.Purge(t, u.owner, 4)
	assertEqual(t, "floor", u.account().Floor, 4)
	for _, position := range []record.Revision{1, 3} {
		_, err := u.tryChanges(cursorAt(u, position), 10)
		assertTooOld(t, err, record.CursorTooOldError{Floor: 4})
		_, err = u.tryChanges(fmt.Sprint(position), 10)
		assertTooOld(t, err, record.CursorTooOldError{Floor: 4})
	}
	_, err := u.tryChanges(cursorAt(u, 0), 10)
	assertTooOld(t, err, record.CursorTooOldError{Floor: 4})
	assertRecords(t, u.changes(cursorAt(u, 4), 10).Records, "c@5†")
	assertRecords(t, u.changes("", 10).Records, "a@1=")
	if b := u.record("b"); b != nil {
		t.Errorf("a purged record: %s", show(*b))
	}
	assertResult(t, u.write(set("b", "", 4)), "conflict; conflict")
	u.put(set("b", "back", 0))
}

func testWalkAndFloor(t *testing.T, w *world) {
	u := w.user(t, 1)
	u.write(batch(setWrite("a", "", 0), setWrite("b", "", 0), setWrite("c", "", 0)))
	u.put(del("b", 2))
	walk := u.changes("", 1).Cursor.String() // stands at 1, its walk began at 4
	u.put(del("c", 3))
	w.Purge(t, u.owner, 4)
	assertRecords(t, u.changes(walk, 10).Records, "c@5†")
	w.Purge(t, u.owner, 5)
	_, err := u.tryChanges(walk, 10)
	assertTooOld(t, err, record.CursorTooOldError{Floor: 5})
}

func testPageBytes(t *testing.T, w *world) {
	u := w.user(t, 1)
	full := record.MaxPageBytes / record.MaxDataBytes // records of a full page
	data := bytes.Repeat([]byte{'x'}, record.MaxDataBytes)
	for i := range full + 3 {
		u.put(set(strconv.Itoa(i), string(data), 0))
	}
	page := u.changes("", record.MaxPage)
	assertEqual(t, "records of the first page", len(page.Records), full)
	assertEqual(t, "more", page.HasMore, true)
	page = u.changes(page.Cursor.String(), record.MaxPage)
	assertEqual(t, "records of the second page", len(page.Records), 3)
	assertEqual(t, "more", page.HasMore, false)
	page = u.changes("3", record.MaxPage)
	assertEqual(t, "records of a page that is just full", len(page.Records), full)
	assertEqual(t, "more", page.HasMore, false)
	page = u.changes("", full-1)
	assertEqual(t, "records of a page bounded in number", len(page.Records), full-1)
}

func testPageOfOne(t *testing.T, w *world) {
	u := w.user(t, 1)
	u.write(batch(setWrite("a", "12345", 0), setWrite("b", "", 0), setWrite("c", "1", 0)))
	for _, c := range []struct {
		maxBytes int
		want     string
		more     bool
	}{
		{1, "a@1=12345", true},
		{4, "a@1=12345", true},
		{5, "a@1=12345 b@2=", true},
		{6, "a@1=12345 b@2= c@3=1", false},
	} {
		s, err := w.Store.Changes(t.Context(), u.owner, record.Span{Limit: 10, MaxBytes: c.maxBytes})
		if err != nil {
			t.Fatal(err)
		}
		assertRecords(t, s.Records, c.want)
		assertEqual(t, "more", s.More, c.more)
	}
}

func testFirst(t *testing.T, w *world) {
	u := w.user(t, 1)
	for _, first := range []int{-1, 0, record.MaxPage + 1} {
		_, err := u.tryChanges("", first)
		assertInvalid(t, err, "first")
	}
	u.changes("", 1)
	u.changes("", record.MaxPage)
}
