package e2e

import (
	"slices"
	"testing"
)

// checkUnsettled compares what the service has with what was acknowledged: a
// record is as it was acknowledged last, or as the write in flight leaves it,
// and that write is there whole or not at all.
func checkUnsettled(t *testing.T, writers []*writer, owner int) {
	t.Helper()
	writers = writersOf(writers, owner)
	found := readOwner(t, writers)
	for _, w := range writers {
		overwritten := checkPending(t, w, found)
		for id, want := range w.records {
			got, ok := found[id]
			delete(found, id)
			if overwritten[id] || want.Deleted && !ok { // a walk from the beginning leaves tombstones out
				continue
			}
			if !ok || !sameState(got, want) || got.Revision != want.Revision {
				t.Errorf("record %s: %+v; acknowledged %+v", id, got, want)
			}
		}
	}
	for id := range found {
		t.Errorf("record %s was written by nobody", id)
	}
}

// checkPending answers which records the write in flight has overwritten, and
// takes those it made out of found.
func checkPending(t *testing.T, w *writer, found map[string]stored) (overwritten map[string]bool) {
	t.Helper()
	if w.pending == nil {
		return nil
	}
	applied := map[string]bool{}
	for _, after := range w.pending.after {
		if r, ok := found[after.ID]; ok && sameState(r, after) && r.Revision > w.records[after.ID].Revision {
			applied[after.ID] = true
			delete(found, after.ID)
		}
	}
	if len(applied) != 0 && len(applied) != len(w.pending.after) {
		t.Errorf("writer %d: %d of the %d writes of a batch in flight are there", w.number, len(applied), len(w.pending.after))
	}
	return applied
}

// checkSettled checks that the acknowledged revisions are exactly those from 1
// to the head: none lost, none doubled, none taken by an unknown write.
func checkSettled(t *testing.T, writers []*writer, owner int) {
	t.Helper()
	writers = writersOf(writers, owner)
	times := map[int64]int{}
	for _, w := range writers {
		for _, r := range w.taken {
			times[r]++
		}
	}
	_, head, err := writers[0].walk(t.Context(), "0")
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

func writersOf(writers []*writer, owner int) []*writer {
	return slices.DeleteFunc(slices.Clone(writers), func(w *writer) bool { return w.owner != owner })
}

// readOwner reads the records of the owner whose writers these are, and the
// tombstones of those that are in flight.
func readOwner(t *testing.T, writers []*writer) map[string]stored {
	t.Helper()
	records, _, err := writers[0].walk(t.Context(), "0")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]stored{}
	for _, r := range records {
		found[r.ID] = r
	}
	var ids []string
	for _, w := range writers {
		if w.pending != nil {
			for _, after := range w.pending.after {
				ids = append(ids, after.ID)
			}
		}
	}
	if len(ids) == 0 {
		return found
	}
	var out struct{ Records []*stored }
	err = writers[0].call(t.Context(), `query($ids: [ID!]!) { records(ids: $ids) { id data revision deleted } }`,
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
