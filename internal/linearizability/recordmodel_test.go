package linearizability

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"
)

// recordIDs are all the records of a history: few, so that clients clash.
var recordIDs = [...]string{"a", "b", "c"}

// version is a record as a client sees it, times left out. The zero value is a
// record that was never written.
type version struct {
	ID       string
	Data     string
	Revision int64
	Schema   string
	Deleted  bool
	ClientID string
}

// write is one write of a request.
type write struct {
	id       string
	delete   bool
	data     string
	schema   string
	revision int64
}

// writeInput is a call of setRecord, deleteRecord or writeRecords.
type writeInput struct {
	kind       string // set, delete or batch
	writes     []write
	clientID   string
	mutationID string // empty: none
}

// content is what must not differ between requests of one mutation id.
func (in writeInput) content() string { return fmt.Sprint(in.kind, in.writes) }

// Statuses of a write and of its request.
const (
	success  = "SUCCESS"
	conflict = "CONFLICT"
	skipped  = "SKIPPED"
	reused   = "MUTATION_ID_REUSED" // an error of the API
)

type writeResult struct {
	status      string
	newRevision int64
	record      version
}

type writeOutput struct {
	lost     bool // then the rest is empty
	status   string
	replayed bool
	results  []writeResult
}

func (o writeOutput) equal(other writeOutput) bool {
	return o.status == other.status && o.replayed == other.replayed && slices.Equal(o.results, other.results)
}

// recordsInput is a call of record, if it is for one, or of records.
type recordsInput struct{ ids []string }

type recordsOutput struct{ records []version }

// cursor is a position in the feed, and what the contract says that it stands for.
type cursor struct {
	text     string
	position int64
	walk     int64 // tombstones up to it are left out
}

var beginning = cursor{text: "0"}

// changesInput is a call of changes.
type changesInput struct {
	since cursor
	first int
}

type changesOutput struct {
	records []version
	head    int64
	hasMore bool
}

// next is where the cursor of a page must stand.
func (in changesInput) next(text string, page changesOutput) cursor {
	next := cursor{text: text, position: page.head, walk: in.since.walk}
	if page.hasMore && len(page.records) > 0 {
		next.position = page.records[len(page.records)-1].Revision
	}
	if in.since == beginning {
		next.walk = page.head
	}
	if next.walk <= next.position {
		next.walk = 0
	}
	return next
}

// viewerInput is a call of viewer.
type viewerInput struct{}

type viewerOutput struct {
	head, count, bytes int64
}

// remembered is what the server keeps of a mutation id.
type remembered struct {
	content   string
	revisions []int64
}

// recordState is an owner's data as one server has it that does one thing at a
// time. It is never changed, only replaced.
type recordState struct {
	head      int64
	records   [len(recordIDs)]version
	mutations map[string]remembered
}

func recordModel() porcupine.Model {
	seed := maphash.MakeSeed()
	return porcupine.Model{
		Init: func() any { return recordState{} },
		Step: func(state, input, output any) (bool, any) { return stepRecords(state.(recordState), input, output) },
		Equal: func(a, b any) bool {
			x, y := a.(recordState), b.(recordState)
			return x.head == y.head && x.records == y.records && maps.EqualFunc(x.mutations, y.mutations, func(a, b remembered) bool {
				return a.content == b.content && slices.Equal(a.revisions, b.revisions)
			})
		},
		Hash:              func(state any) uint64 { return maphash.Comparable(seed, state.(recordState).records) },
		DescribeOperation: func(input, output any) string { return fmt.Sprintf("%T%+v -> %+v", input, input, output) },
		DescribeState: func(state any) string {
			s := state.(recordState)
			return fmt.Sprintf("head %d, %+v", s.head, s.records)
		},
	}
}

// stepRecords tells whether an operation on a state is answered as it was, and
// what it leaves.
func stepRecords(s recordState, input, output any) (bool, recordState) {
	switch in := input.(type) {
	case writeInput:
		after, want := s.write(in)
		got := output.(writeOutput)
		return got.lost || got.equal(want), after
	case recordsInput:
		return slices.Equal(output.(recordsOutput).records, s.read(in.ids)), s
	case changesInput:
		want, got := s.changes(in), output.(changesOutput)
		return got.head == want.head && got.hasMore == want.hasMore && slices.Equal(got.records, want.records), s
	case viewerInput:
		return output.(viewerOutput) == s.viewer(), s
	}
	panic(fmt.Sprintf("no such operation: %T", input))
}

func (s recordState) find(id string) version { return s.records[slices.Index(recordIDs[:], id)] }

func (s recordState) read(ids []string) []version {
	found := make([]version, len(ids))
	for i, id := range ids {
		found[i] = s.find(id)
	}
	return found
}

func (s recordState) viewer() viewerOutput {
	v := viewerOutput{head: s.head}
	for _, r := range s.records {
		if r.Revision > 0 && !r.Deleted {
			v.count++
			v.bytes += int64(len(r.Data))
		}
	}
	return v
}

func (s recordState) changes(in changesInput) changesOutput {
	walk := in.since.walk
	if in.since == beginning {
		walk = s.head
	}
	var found []version
	for _, r := range s.records {
		if r.Revision > in.since.position && (!r.Deleted || r.Revision > walk) {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b version) int { return cmp.Compare(a.Revision, b.Revision) })
	return changesOutput{records: found[:min(in.first, len(found))], head: s.head, hasMore: len(found) > in.first}
}

func (s recordState) write(in writeInput) (recordState, writeOutput) {
	if m, ok := s.mutations[in.mutationID]; ok && in.mutationID != "" {
		return s, s.replay(in, m)
	}
	if out, ok := s.conflicts(in); ok {
		return s, out
	}
	out := writeOutput{status: success}
	revisions := make([]int64, len(in.writes))
	for i, w := range in.writes {
		at := slices.Index(recordIDs[:], w.id)
		if !w.delete || !s.records[at].Deleted {
			s.head++
			s.records[at] = w.after(s.records[at], s.head, in.clientID)
		}
		revisions[i] = s.records[at].Revision
		out.results = append(out.results, writeResult{status: success, newRevision: revisions[i], record: s.records[at]})
	}
	if in.mutationID != "" {
		s.mutations = maps.Clone(s.mutations)
		if s.mutations == nil {
			s.mutations = map[string]remembered{}
		}
		s.mutations[in.mutationID] = remembered{content: in.content(), revisions: revisions}
	}
	return s, out
}

func (w write) after(before version, revision int64, clientID string) version {
	if w.delete {
		return version{ID: w.id, Revision: revision, Schema: before.Schema, Deleted: true, ClientID: clientID}
	}
	return version{ID: w.id, Data: w.data, Revision: revision, Schema: w.schema, ClientID: clientID}
}

func (s recordState) replay(in writeInput, m remembered) writeOutput {
	if m.content != in.content() {
		return writeOutput{status: reused}
	}
	out := writeOutput{status: success, replayed: true}
	for i, w := range in.writes {
		out.results = append(out.results, writeResult{status: success, newRevision: m.revisions[i], record: s.find(w.id)})
	}
	return out
}

// conflicts tells which writes saw another state than this one, if any did.
func (s recordState) conflicts(in writeInput) (writeOutput, bool) {
	out := writeOutput{status: conflict}
	found := false
	for _, w := range in.writes {
		current := s.find(w.id)
		fits := w.revision == current.Revision
		if w.delete {
			fits = fits && current.Revision > 0
		} else {
			fits = fits || current.Deleted && w.revision == 0
		}
		if fits {
			out.results = append(out.results, writeResult{status: skipped})
			continue
		}
		found = true
		out.results = append(out.results, writeResult{status: conflict, record: current})
	}
	return out, found
}

func (o writeOutput) String() string {
	if o.lost {
		return "lost"
	}
	var b strings.Builder
	b.WriteString(o.status)
	if o.replayed {
		b.WriteString(" replayed")
	}
	for _, r := range o.results {
		fmt.Fprintf(&b, " %+v", r)
	}
	return b.String()
}
