package recordtest

import (
	"errors"
	"slices"
	"testing"

	"syncline/record"
)

var eraseCases = []testCase{
	{"nothing from before is seen", testErase},
	{"what was there may be written again", testWritesAfterErase},
	{"a retry erases nothing more", testEraseRetried},
	{"locks are gone", testEraseLocks},
	{"another history's data is not to be written again", testEraseAfterRestore},
	{"it is told of", testEraseIsTold},
	{"the owner is asked for", testEraseConfirmed},
}

func (u user) erase(mutationID *string) record.Erasure {
	u.t.Helper()
	erasure, _, err := u.service.EraseAccount(u.t.Context(), u.owner, u.owner.String(), mutationID)
	if err != nil {
		u.t.Fatal(err)
	}
	return erasure
}

func testErase(t *testing.T, w *world) {
	u, other := w.user(t, 1), w.user(t, 2)
	other.put(set("a", "theirs", 0))
	u.write(batch(setWrite("a", "x", 0), setWrite("b", "y", 0), setWrite("c", "z", 0)))
	u.put(del("b", 2))
	walk := u.changes("", 1).Cursor.String()
	old := []string{cursorAt(u, 1), cursorAt(u, 4), walk, "4"} // 4 had read all

	erasure := u.erase(nil)
	assertEqual(t, "erased", erasure, record.Erasure{Records: 2, Revision: 5, Epoch: u.account().Epoch})
	assertEqual(t, "account", u.account(), record.Account{Head: 5, Floor: 5, Erased: 5, Epoch: erasure.Epoch, Exists: true})
	for _, since := range []string{"", "0", "5", erasure.Cursor().String()} {
		page := u.changes(since, 10)
		assertRecords(t, page.Records, "")
		assertEqual(t, "more", page.HasMore, false)
		assertEqual(t, "cursor", page.Cursor, erasure.Cursor())
	}
	for _, since := range old {
		_, err := u.tryChanges(since, 10)
		assertTooOld(t, err, record.CursorTooOldError{Floor: 5, Erased: true})
	}
	for _, id := range []string{"a", "b", "c"} {
		if r := u.record(id); r != nil {
			t.Errorf("%s is seen: %s", id, show(*r))
		}
	}
	found, err := u.service.Records(t.Context(), u.owner, []string{"a", "b"})
	if err != nil || found[0] != nil || found[1] != nil {
		t.Errorf("found %v, %v", found, err)
	}
	assertRecords(t, other.changes("", 10).Records, "a@1=theirs")

	again := u.erase(nil) // there is nothing left, but no harm in it
	assertEqual(t, "erased again", again, record.Erasure{Records: 0, Revision: 6, Epoch: erasure.Epoch})
	never := w.user(t, 3).erase(nil)
	assertEqual(t, "erased of an owner who never wrote", never, record.Erasure{Epoch: erasure.Epoch})
	assertRecords(t, w.user(t, 3).changes(never.Cursor().String(), 10).Records, "")
	assertEqual(t, "an owner who never wrote", w.user(t, 3).account().Exists, false)
}

func testWritesAfterErase(t *testing.T, w *world) {
	u := w.user(t, 1)
	u.put(withMutation("m", set("a", "x", 0)))
	u.put(set("b", "x", 0))
	u.put(del("b", 2))
	u.erase(nil)
	assertResult(t, u.write(set("a", "y", 1)), "conflict; conflict")
	assertResult(t, u.write(del("b", 3)), "conflict; conflict")
	assertResult(t, u.write(withMutation("m", set("b", "new", 0))), "success; success 5 b@5=new")
	assertResult(t, u.write(withMutation("m", set("b", "new", 0))), "success replayed; success 5 b@5=new")
	assertResult(t, u.write(batch(setWrite("a", "two", 0), setWrite("c", "three", 0))), "success; success 6 a@6=two; success 7 c@7=three")
	assertRecords(t, u.changes("", 10).Records, "b@5=new a@6=two c@7=three")
	assertRecords(t, u.changes(cursorAt(u, 4), 10).Records, "b@5=new a@6=two c@7=three")
	a := u.account()
	assertEqual(t, "account", a, record.Account{Head: 7, Floor: 4, Erased: 4, Epoch: a.Epoch, RecordCount: 3, StoredBytes: 11, Exists: true, MutationBytes: a.MutationBytes})
}

func testEraseRetried(t *testing.T, w *world) {
	u, id := w.user(t, 1), "m"
	u.put(withMutation("w", set("a", "x", 0)))
	first := u.erase(&id)
	u.put(set("a", "since then", 0))
	again := u.erase(&id)
	first.Replayed = true
	assertEqual(t, "second answer", again, first)
	assertRecords(t, u.changes("", 10).Records, "a@3=since then")

	_, err := u.try(withMutation("m", set("b", "", 0)))
	assertIs(t, err, record.ErrMutationIDReused)
	u.put(withMutation("w", set("b", "", 0)))
	used := "w"
	_, _, err = u.service.EraseAccount(t.Context(), u.owner, u.owner.String(), &used)
	assertIs(t, err, record.ErrMutationIDReused)
	bad := ""
	_, _, err = u.service.EraseAccount(t.Context(), u.owner, u.owner.String(), &bad)
	assertInvalid(t, err, "mutationId")
	assertRecords(t, u.changes("", 10).Records, "a@3=since then b@4=")
}

func testEraseLocks(t *testing.T, w *world) {
	u, other := w.user(t, 1), w.user(t, 2)
	u.put(set("b", "", 0))
	w.Grant(t, u.owner, "l", 5)
	w.Grant(t, u.owner, "m", 7)
	w.Grant(t, other.owner, "l", 6)
	_, locks, err := u.service.EraseAccount(t.Context(), u.owner, u.owner.String(), nil)
	if slices.Sort(locks); err != nil || !slices.Equal(locks, []string{"l", "m"}) {
		t.Errorf("erased the locks %q, %v", locks, err)
	}
	_, err = u.try(withFence("l", 5, set("a", "", 0)))
	assertInvalid(t, err, "fence.lock")
	other.put(withFence("l", 6, set("a", "", 0)))
}

// A client of the history before would write all again that it has above the
// restored head.
func testEraseAfterRestore(t *testing.T, w *world) {
	u := w.user(t, 1)
	u.write(batch(setWrite("a", "", 0), setWrite("b", "", 0)))
	old := cursorAt(u, 2)
	base := w.Restore(t, start)
	erasure := u.erase(nil)
	assertEqual(t, "revision", erasure.Revision, base+1)
	_, err := u.tryChanges(old, 10)
	assertEpochMismatch(t, err, base+1)
	if mismatch, ok := errors.AsType[*record.EpochMismatchError](err); !ok || !mismatch.Erased {
		t.Errorf("a cursor from before the restore and the erasure: %#v", err)
	}
}

func testEraseIsTold(t *testing.T, w *world) {
	var told []record.Commit
	w.service.OnCommit(func(c record.Commit) { told = append(told, c) })
	u := w.user(t, 1)
	u.put(set("a", "", 0))
	w.hints.take()
	told = nil
	erasure := u.erase(nil)
	assertRevisions(t, "hints", w.hints.take(), 2)
	if len(told) != 1 || told[0].Owner != u.owner || told[0].Epoch != erasure.Epoch || told[0].Erased != 2 || told[0].Records != nil {
		t.Errorf("told of %+v", told)
	}
}

func testEraseConfirmed(t *testing.T, w *world) {
	u, other := w.user(t, 1), w.user(t, 2)
	u.put(set("a", "x", 0))
	for _, confirmed := range []string{"", other.owner.String(), u.owner.String()[:64]} {
		_, _, err := u.service.EraseAccount(t.Context(), u.owner, confirmed, nil)
		assertInvalid(t, err, "owner")
	}
	assertRecords(t, u.changes("", 10).Records, "a@1=x")
}
