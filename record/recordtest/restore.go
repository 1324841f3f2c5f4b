package recordtest

import (
	"testing"
	"time"

	"syncline/record"
)

var restoreCases = []testCase{
	{"revisions go on above the base", testRestoreRaisesRevisions},
	{"cursors of the lost history are refused", testRestoreRefusesCursors},
	{"the restored head is that of the first restore after the cursor's epoch", testRestoreTwice},
	{"mutation ids and fences stay", testRestoreKeepsMutations},
}

func testRestoreRaisesRevisions(t *testing.T, w *world) {
	u, unknown := w.user(t, 1), w.user(t, 2)
	u.write(batch(setWrite("a", "", 0), setWrite("b", "", 0)))
	base := w.Restore(t, start)
	assertEqual(t, "head before a write", u.account().Head, 2)
	assertRecords(t, u.changes("", 10).Records, "a@1= b@2=")
	assertEqual(t, "next revision", u.put(set("a", "x", 1)), base+1)
	assertEqual(t, "the one after", u.put(set("b", "x", 2)), base+2)
	assertEqual(t, "first revision of an owner unknown to the backup", unknown.put(set("a", "", 0)), base+1)
	assertResult(t, unknown.write(set("a", "", 5)), "conflict; conflict "+show(*unknown.record("a")))
	again := w.Restore(t, start.Add(-time.Hour)) // the clock is behind
	if again <= base+2 {
		t.Fatalf("base %d is not above the head %d", again, base+2)
	}
	assertEqual(t, "next revision", u.put(set("a", "y", base+1)), again+1)
}

func testRestoreRefusesCursors(t *testing.T, w *world) {
	u := w.user(t, 1)
	u.write(batch(setWrite("a", "", 0), setWrite("b", "", 0), setWrite("c", "", 0)))
	page := u.changes("", 1)
	old := []string{page.Cursor.String(), cursorAt(u, 0), cursorAt(u, 3), cursorAt(u, 9)}
	w.Restore(t, start)
	for _, cursor := range old {
		_, err := u.tryChanges(cursor, 10)
		assertEpochMismatch(t, err, 3)
	}
	assertRecords(t, u.changes("2", 10).Records, "c@3=") // a plain number is of the present epoch
	assertRecords(t, u.changes(cursorAt(u, 1), 10).Records, "b@2= c@3=")
	_, err := u.tryChanges(cursorAt(u, 4), 10)
	assertEpochMismatch(t, err, 3) // its own epoch, but ahead
}

func testRestoreTwice(t *testing.T, w *world) {
	u, late := w.user(t, 1), w.user(t, 2)
	unknown := record.CursorAt(record.Epoch{1}, 1).String()
	u.write(batch(setWrite("a", "", 0), setWrite("b", "", 0)))
	first := cursorAt(u, 2)
	base := w.Restore(t, start)
	second := cursorAt(u, 2)
	u.put(set("c", "", 0))
	late.put(set("a", "", 0))
	w.Restore(t, start.Add(time.Hour))

	for _, c := range []struct {
		who    user
		cursor string
		want   record.Revision
	}{
		{u, first, 2},
		{u, second, base + 1},
		{u, unknown, 2},
		{late, first, 0},
		{late, second, base + 1},
		{late, unknown, 0},
		{w.user(t, 3), second, 0},
	} {
		_, err := c.who.tryChanges(c.cursor, 10)
		assertEpochMismatch(t, err, c.want)
	}
}

func testRestoreKeepsMutations(t *testing.T, w *world) {
	u := w.user(t, 1)
	w.Grant(t, u.owner, "l", 3)
	u.put(withMutation("m", set("a", "x", 0)))
	w.Restore(t, start)
	assertResult(t, u.write(withMutation("m", set("a", "x", 0))), "success replayed; success 1 a@1=x")
	u.put(withFence("l", 3, set("b", "", 0)))
}
