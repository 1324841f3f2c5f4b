package feed

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"syncline/record"
)

// truth is what a store holds of one owner, and what it told this instance.
type truth struct {
	owner   record.Owner
	epoch   record.Epoch
	head    record.Revision
	records map[string]record.Record
	log     []record.Record // all that was written in this history
	former  []record.Record // in the one before
	noted   record.Revision // a revision of this history that the memory was told of
	untold  []record.Commit // made here, on their way to the memory
	shared  *shared         // nil while nobody follows
}

// commit changes some records, and remembers what to tell of it.
func (o *truth) commit(random *rand.Rand, ours bool) {
	c := record.Commit{Owner: o.owner, Epoch: o.epoch}
	for _, i := range random.Perm(12)[:1+random.IntN(4)] {
		o.head++
		r := record.Record{ID: fmt.Sprint(i), Revision: o.head, Deleted: random.IntN(4) == 0}
		if !r.Deleted {
			r.Data = bytes.Repeat([]byte{byte(o.head)}, random.IntN(2000))
		}
		o.put(r)
		c.Records = append(c.Records, r)
	}
	if ours {
		o.untold = append(o.untold, c)
	}
}

func (o *truth) put(r record.Record) {
	o.records[r.ID] = r
	o.log = append(o.log, r)
}

// asOf is what was written after a position, as it was at a head.
func (o *truth) asOf(head, position record.Revision) []record.Record {
	latest := make(map[string]record.Record)
	for _, r := range o.log {
		if r.Revision <= head {
			latest[r.ID] = r
		}
	}
	return since(latest, position, true)
}

// since is what comes after a position, in order.
func since(records map[string]record.Record, position record.Revision, tombstones bool) []record.Record {
	var all []record.Record
	for _, r := range records {
		if r.Revision > position && (tombstones || !r.Deleted) {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b record.Record) int { return int(a.Revision - b.Revision) })
	return all
}

// read is a page as the store gives it.
func (o *truth) read(cursor record.Cursor, first int) record.Page {
	_, position, exact := cursor.Exact()
	all := since(o.records, position, exact)
	page := record.Page{Head: o.head, Cursor: record.CursorAt(o.epoch, o.head), Records: all}
	if len(all) > first {
		page.Records, page.HasMore = all[:first], true
		page.Cursor = record.CursorAt(o.epoch, all[first-1].Revision)
	}
	return page
}

// restore begins another history from an earlier state, which may be that of now.
func (o *truth) restore(random *rand.Rand) {
	o.epoch[0]++
	o.untold = nil
	for id := range o.records {
		if random.IntN(3) == 0 {
			delete(o.records, id)
		}
	}
	o.head, o.former, o.log, o.noted = 0, o.log, nil, 0
	for _, r := range since(o.records, 0, true) {
		o.head = r.Revision
		o.put(r)
	}
	if random.IntN(2) == 0 {
		o.head += 1000
		o.put(record.Record{ID: "after", Revision: o.head})
	}
}

// check compares what the memory says with the truth, from every position.
func (o *truth) check(t *testing.T, random *rand.Rand) {
	t.Helper()
	position := record.Revision(random.Int64N(int64(o.head) + 2))
	first := 1 + random.IntN(20)
	page, ok, _ := o.shared.after(record.CursorAt(o.epoch, position), first)
	if !ok {
		return
	}
	end, head := page.Cursor.Position(), o.shared.history.head
	if end <= position || end > head || head > o.head || len(page.Records) > first {
		t.Fatalf("%d records after %d end at %d; the memory knows up to %d, the store %d", len(page.Records), position, end, head, o.head)
	}
	if !page.HasMore && head < o.noted {
		t.Fatalf("the memory says that %d is all, and was told of %d", head, o.noted)
	}
	if !page.HasMore { // as it was at one instant
		o.expect(t, page.Records, o.asOf(head, position))
		return
	}
	// Other states may be left out, the newest may not.
	var current, want []record.Record
	for _, r := range page.Records {
		if o.records[r.ID].Revision == r.Revision {
			current = append(current, r)
		}
	}
	for _, r := range since(o.records, position, true) {
		if r.Revision <= end {
			want = append(want, r)
		}
	}
	o.expect(t, current, want)
}

// checkFormer asks by a cursor of the history that was cut off.
func (o *truth) checkFormer(t *testing.T, random *rand.Rand) {
	t.Helper()
	epoch := o.epoch
	epoch[0]--
	page, _, _ := o.shared.after(record.CursorAt(epoch, record.Revision(random.Int64N(int64(o.head)+2))), 100)
	for _, r := range page.Records {
		if !slices.ContainsFunc(o.former, func(was record.Record) bool { return same(was, r) }) {
			t.Fatalf("%s:%d was written after the restore, and goes to a reader from before", r.ID, r.Revision)
		}
	}
}

func same(a, b record.Record) bool {
	return a.ID == b.ID && a.Revision == b.Revision && a.Deleted == b.Deleted && bytes.Equal(a.Data, b.Data)
}

func (o *truth) expect(t *testing.T, got, want []record.Record) {
	t.Helper()
	if !slices.EqualFunc(got, want, same) {
		t.Fatalf("the memory has %d records, the store %d", len(got), len(want))
	}
}

// checkBytes counts again what everything takes.
func (r *recent) checkBytes(t *testing.T) {
	t.Helper()
	total := 0
	for _, s := range r.owners {
		size, dead := 0, 0
		for _, e := range s.history.log {
			if e.dead {
				dead++
				continue
			}
			size += sizeOf(&e.Record)
			if s.history.latest[e.ID] != e {
				t.Fatal("a live entry is not the latest of its record")
			}
		}
		for _, c := range s.history.early {
			size += commitBytes(c)
		}
		if size != s.history.bytes || dead != s.history.dead || len(s.history.latest) != len(s.history.log)-dead {
			t.Fatalf("%d bytes and %d dead entries, counted %d and %d", size, dead, s.history.bytes, s.history.dead)
		}
		if size > historyBytes || dead > 16+len(s.history.latest) {
			t.Fatalf("one history takes %d bytes and %d places", size, dead)
		}
		if (size > 0) != (s.place != nil) {
			t.Fatal("filed wrongly")
		}
		total += size
	}
	if total != r.bytes || total > r.most {
		t.Fatalf("%d bytes in all, counted %d, at most %d", total, r.bytes, r.most)
	}
}

// What the memory says is what the store would say, whatever reaches it in
// whatever order: commits, pages that were read before or after them, heads,
// hints of other instances and false ones, floors, restores. And it stays
// within its bounds.
func TestRecentAgainstAStore(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 13))
		r := newRecent(20_000 + random.IntN(60_000))
		owners := make([]*truth, 4)
		for i := range owners {
			owners[i] = &truth{owner: record.Owner{2, byte(i)}, epoch: record.Epoch{1}, records: map[string]record.Record{}}
		}
		hits := 0
		for range 1500 {
			o := owners[random.IntN(len(owners))]
			step(random, r, o)
			if o.shared != nil {
				o.check(t, random)
				o.checkFormer(t, random)
				if _, ok, _ := o.shared.after(record.CursorAt(o.epoch, o.head-min(o.head, 1)), 9); ok {
					hits++
				}
			}
			r.checkBytes(t)
		}
		if hits < 50 {
			t.Errorf("seed %d: the memory knew something %d times only", seed, hits)
		}
	}
}

// What a hint told after a poll had found the database restored is not a rumour
// to a page that was read before.
func TestAHintAfterARestoreIsNotForgotten(t *testing.T) {
	t.Parallel()
	before, after := record.Epoch{1}, record.Epoch{2}
	s := newRecent(recentBytes).join(record.Owner{})
	s.begin(record.Account{Epoch: before, Head: 5})
	s.note(6)
	read := s.beginRead()
	s.compare(3, 5)
	s.note(4)
	s.endRead(read, record.CursorAt(after, 2), record.Page{
		Records: []record.Record{{ID: "a", Revision: 3}}, Cursor: record.CursorAt(after, 3), Head: 3,
	}, nil)
	if page, ok, _ := s.after(record.CursorAt(after, 2), 10); !ok || !page.HasMore {
		t.Errorf("%+v, %v; want revision 3, and that there is more", page, ok)
	}
}

func step(random *rand.Rand, r *recent, o *truth) {
	switch n := random.IntN(100); {
	case n < 3 && o.shared == nil, n < 40 && o.shared == nil:
		o.shared = r.join(o.owner)
	case n < 2 && o.shared != nil:
		o.shared.leave()
		o.shared, o.noted = nil, 0
	case n < 35:
		o.commit(random, true)
	case n < 40:
		o.commit(random, false)
	case n < 75:
		if len(o.untold) == 0 {
			return
		}
		i := 0
		if random.IntN(3) == 0 {
			i = random.IntN(len(o.untold))
		}
		r.commit(o.untold[i])
		o.untold = slices.Delete(o.untold, i, i+1)
	case n < 76:
		o.untold = nil // as if the process that made them were another one
	case n < 77:
		o.restore(random)
		if o.shared != nil && random.IntN(2) == 0 { // somebody polled
			o.shared.compare(0, 1)
			o.noted = 0
		}
	case o.shared == nil:
	case n < 80:
		o.noted = o.head
		o.shared.note(o.head + record.Revision(random.IntN(3)))
	case n < 82:
		o.noted = o.head
		o.shared.compare(o.head, 0)
	case n < 85:
		o.shared.begin(record.Account{Epoch: o.epoch, Head: o.head})
	default:
		o.readThrough(random)
	}
}

// readThrough reads a page while commits come in, by a follower who stands
// somewhere, often where the memory ends.
func (o *truth) readThrough(random *rand.Rand) {
	since := record.CursorAt(o.epoch, record.Revision(random.Int64N(int64(o.head)+1)))
	switch {
	case random.IntN(8) == 0:
		since = record.Cursor{}
	case random.IntN(2) == 0 && o.shared.history.epoch == o.epoch:
		since = record.CursorAt(o.epoch, min(o.head, o.shared.history.head))
	}
	read := o.shared.beginRead()
	page := o.read(since, 1+random.IntN(30))
	for range random.IntN(3) {
		o.commit(random, true)
		if random.IntN(2) == 0 {
			last := len(o.untold) - 1
			o.shared.recent.commit(o.untold[last])
			o.untold = o.untold[:last]
		}
		if random.IntN(3) == 0 {
			o.noted = o.head
			o.shared.note(o.head)
		}
	}
	o.shared.endRead(read, since, page, nil)
}
