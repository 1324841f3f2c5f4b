package feed

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"syncline/record"
)

// history is what one owner's feed holds above a revision: each record that was
// written since, in its latest state. What a reader gets from it is what the
// store would give.
//
// It holds every revision in (from, head], save those that a later one
// replaced. Anything that does not continue it without a gap is not taken in.
type history struct {
	epoch record.Epoch
	from  record.Revision
	head  record.Revision
	// target is the newest revision that is known to exist. Below it, the
	// history does not say that a reader has all. raised counts who told of one.
	target record.Revision
	raised int

	log    []*entry // in order of revision; dead ones are taken out now and then
	dead   int
	latest map[string]*entry
	early  []record.Commit // came before what they follow; in order
	bytes  int
}

// entry is a record, or its place after a later revision replaced it.
type entry struct {
	record.Record
	dead bool
}

// Bounds of one owner's history.
const (
	historyBytes = 1 << 20
	maxEarly     = 64 // commits
)

// entryBytes is about what an entry takes beside the record's own bytes.
const entryBytes = 256

func sizeOf(r *record.Record) int {
	return entryBytes + len(r.ID) + len(r.Data) + len(r.SchemaVersion) + len(r.ClientID)
}

// begin forgets all: the history is empty, after a revision of an epoch. The
// target stays: it may have been raised since what is begun with was read.
func (h *history) begin(epoch record.Epoch, after record.Revision) {
	*h = history{epoch: epoch, from: after, head: after, target: max(h.target, after), raised: h.raised}
}

// raise takes note of a revision that somebody told of.
func (h *history) raise(target record.Revision) {
	h.target = max(h.target, target)
	h.raised++
}

// commit takes in what this instance committed.
func (h *history) commit(c record.Commit) {
	first, last := span(c)
	c.Records = detached(c.Records)
	if c.Epoch != h.epoch {
		h.begin(c.Epoch, first-1)
	}
	h.raise(last)
	if first > h.head+1 {
		h.keepEarly(c)
		return
	}
	h.append(c.Records)
	h.takeEarly()
}

// detached are the records with text of their own: that of a request may be a
// part of all that was sent.
func detached(records []record.Record) []record.Record {
	own := slices.Clone(records)
	for i := range own {
		r := &own[i]
		r.ID, r.SchemaVersion, r.ClientID = strings.Clone(r.ID), strings.Clone(r.SchemaVersion), strings.Clone(r.ClientID)
	}
	return own
}

func span(c record.Commit) (first, last record.Revision) {
	return c.Records[0].Revision, c.Records[len(c.Records)-1].Revision
}

// keepEarly keeps a commit whose forerunner is still on its way, from another
// goroutine, or was made by another instance and is read by whoever needs it.
func (h *history) keepEarly(c record.Commit) {
	if len(h.early) == maxEarly {
		h.dropEarly()
		return
	}
	first, _ := span(c)
	i, _ := slices.BinarySearchFunc(h.early, first, func(other record.Commit, first record.Revision) int {
		return cmp.Compare(other.Records[0].Revision, first)
	})
	h.early = slices.Insert(h.early, i, c)
	h.bytes += commitBytes(c)
}

func (h *history) dropEarly() {
	for _, c := range h.early {
		h.bytes -= commitBytes(c)
	}
	h.early = nil
}

func commitBytes(c record.Commit) int {
	size := 0
	for i := range c.Records {
		size += sizeOf(&c.Records[i])
	}
	return size
}

// takeEarly appends what has become the next.
func (h *history) takeEarly() {
	for len(h.early) > 0 {
		c := h.early[0]
		if first, _ := span(c); first > h.head+1 {
			return
		}
		h.early = h.early[1:]
		h.bytes -= commitBytes(c)
		h.append(c.Records)
	}
}

// learn takes in a page that was read from the store after a cursor. raised is
// the count from before it was read.
func (h *history) learn(since record.Cursor, page record.Page, raised int) {
	epoch, end, ok := page.Cursor.Exact()
	if !ok {
		return // within a walk from the beginning
	}
	_, after, exact := since.Exact()
	if !exact {
		after = end // what it left out is not known: it tells the head at most
	}
	joins := epoch == h.epoch && after <= h.head
	switch {
	case joins && end > h.head:
		h.append(copied(page.Records, h.head))
		h.head = end
		h.takeEarly()
	case !joins && !page.HasMore && (epoch != h.epoch || end >= h.head):
		h.begin(epoch, after)
		h.append(copied(page.Records, after))
		h.head = end
	}
	if epoch != h.epoch {
		return
	}
	if !page.HasMore && h.raised == raised {
		h.target = h.head // a newer one was a rumour, perhaps of another history
	}
	h.target = max(h.target, h.head, page.Head)
}

// copied are the records above a revision, with data of their own: a page's
// shares a larger piece of memory.
func copied(records []record.Record, above record.Revision) []record.Record {
	var own []record.Record
	for _, r := range records {
		if r.Revision > above {
			r.Data = bytes.Clone(r.Data)
			own = append(own, r)
		}
	}
	return own
}

// append adds the records above head, which must leave no gap.
func (h *history) append(records []record.Record) {
	if h.latest == nil {
		h.latest = make(map[string]*entry)
	}
	for i := range records {
		r := &records[i]
		if r.Revision <= h.head {
			continue
		}
		if old := h.latest[r.ID]; old != nil {
			h.bury(old)
		}
		e := &entry{Record: *r}
		h.latest[r.ID] = e
		h.log = append(h.log, e)
		h.bytes += sizeOf(r)
		h.head = r.Revision
	}
	h.compact()
	h.trim(historyBytes)
}

// bury leaves of a record that was replaced its place only.
func (h *history) bury(e *entry) {
	h.bytes -= sizeOf(&e.Record)
	e.Record = record.Record{Revision: e.Revision}
	e.dead = true
	h.dead++
}

func (h *history) compact() {
	if h.dead > 16 && h.dead > len(h.log)/2 {
		h.log = slices.DeleteFunc(h.log, func(e *entry) bool { return e.dead })
		h.dead = 0
	}
}

// trim forgets the oldest until no more than most bytes are left.
func (h *history) trim(most int) {
	for h.bytes > most && len(h.log) > 0 {
		e := h.log[0]
		h.log[0] = nil
		h.log = h.log[1:]
		h.from = e.Revision
		if e.dead {
			h.dead--
			continue
		}
		delete(h.latest, e.ID)
		h.bytes -= sizeOf(&e.Record)
	}
	if h.bytes > most {
		h.dropEarly()
	}
}

// after is a page of what comes after a cursor. It is false where the history
// does not go back that far, and where it has nothing to give.
func (h *history) after(since record.Cursor, first int) (record.Page, bool) {
	epoch, position, ok := since.Exact()
	if !ok || epoch != h.epoch || position < h.from || position >= h.head {
		return record.Page{}, false
	}
	i, _ := slices.BinarySearchFunc(h.log, position+1, func(e *entry, r record.Revision) int {
		return cmp.Compare(e.Revision, r)
	})
	page := record.Page{Cursor: since, Head: h.target}
	size := 0
	for ; i < len(h.log) && len(page.Records) < first && size < pageBytes; i++ {
		if e := h.log[i]; !e.dead {
			page.Cursor = record.CursorAt(epoch, e.Revision)
			page.Records = append(page.Records, e.Record)
			page.Cursors = append(page.Cursors, page.Cursor)
			size += len(e.Data)
		}
	}
	if i == len(h.log) {
		page.Cursor = record.CursorAt(epoch, h.head)
	}
	page.HasMore = page.Cursor.Position() < h.target
	return page, true
}

// isAt tells whether a cursor stands at the head.
func (h *history) isAt(since record.Cursor) bool {
	epoch, position, ok := since.Exact()
	return ok && epoch == h.epoch && position == h.head
}
