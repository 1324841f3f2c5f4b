package recordtest

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"syncline/record"
)

var modelCases = []testCase{
	{"random requests do as a simple model does", testModel},
}

// seedVariable repeats a random test.
const seedVariable = "SYNCLINE_TEST_SEED"

func testModel(t *testing.T, w *world) {
	random := newRandom(t)
	var walks []*walker
	for n := range byte(2) {
		walks = append(walks, newWalker(t, w, n, random))
	}
	for range 600 {
		walks[random.IntN(len(walks))].step()
	}
	for _, walk := range walks {
		walk.catchUp()
	}
}

// newRandom tells how to repeat a random test.
func newRandom(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv(seedVariable); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%s=%d repeats this", seedVariable, seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func newWalker(t *testing.T, w *world, n byte, random *rand.Rand) *walker {
	m := &model{records: map[string]record.Record{}, mutations: map[string]applied{}, fences: map[string]record.FenceToken{}}
	return &walker{user: w.user(t, n), model: m, random: random, mirror: map[string]record.Record{}}
}

// walker drives one owner of the store and the model side by side, and mirrors
// the store as a client would.
type walker struct {
	user
	model  *model
	random *rand.Rand
	made   int             // requests
	last   *record.Request // with a mutation id
	mirror map[string]record.Record
	cursor string
}

func (w *walker) step() {
	switch n := w.random.IntN(100); {
	case n < 70:
		w.writeBoth(w.request())
	case n < 80 && w.last != nil:
		w.writeBoth(*w.last)
	case n < 88:
		w.changeSurroundings()
	case n < 97:
		w.readPage()
	default:
		w.catchUp()
	}
}

// changeSurroundings grants a lock anew, purges tombstones, or erases all.
func (w *walker) changeSurroundings() {
	n := w.random.IntN(16)
	if n < 10 {
		lock := w.pick("l", "m")
		w.model.fences[lock]++
		w.Grant(w.t, w.owner, lock, w.model.fences[lock])
		return
	}
	if n == 10 && w.model.head > 0 {
		erasure := w.erase(nil)
		assertEqual(w.t, "erased records", erasure.Records, w.model.erase())
		return
	}
	floor := w.model.floor + record.Revision(w.random.Int64N(int64(w.model.head-w.model.floor+1)))
	w.Purge(w.t, w.owner, floor)
	w.model.purge(floor)
}

func (w *walker) pick(texts ...string) string { return texts[w.random.IntN(len(texts))] }

func (w *walker) writeBoth(request record.Request) {
	w.t.Helper()
	want, wantErr := w.model.write(request)
	result, err := w.try(request)
	if _, bad := errors.AsType[*record.InvalidError](err); bad {
		err = errInvalid
	}
	if !errors.Is(err, wantErr) {
		w.t.Fatalf("%+v: error %v, the model says %v", request, err, wantErr)
	}
	if err == nil && describe(result) != want {
		w.t.Fatalf("%+v\ngot   %s\nmodel %s", request, describe(result), want)
	}
	if request.MutationID != nil {
		w.last = &request
	}
}

func (w *walker) request() record.Request {
	var r record.Request
	switch n := w.random.IntN(10); {
	case n < 5:
		r = record.Request{Kind: record.KindSet, Writes: []record.Write{w.oneWrite(w.id(), false)}}
	case n < 7:
		r = record.Request{Kind: record.KindDelete, Writes: []record.Write{w.oneWrite(w.id(), true)}}
	default:
		r = batch()
		for _, n := range w.random.Perm(12)[:1+w.random.IntN(5)] {
			r.Writes = append(r.Writes, w.oneWrite(fmt.Sprint("r", n), w.random.IntN(3) == 0))
		}
	}
	w.made++
	if w.random.IntN(3) == 0 {
		r = withMutation(fmt.Sprint("m", w.made/8+w.random.IntN(40)), r)
	}
	if w.random.IntN(5) == 0 {
		lock := w.pick("l", "m")
		r = withFence(lock, max(0, w.model.fences[lock]+2-record.FenceToken(w.random.IntN(4))), r)
	}
	return r
}

func (w *walker) id() string { return fmt.Sprint("r", w.random.IntN(12)) }

// oneWrite mostly names the revision that the record has.
func (w *walker) oneWrite(id string, remove bool) record.Write {
	revision := w.model.records[id].Revision
	if w.random.IntN(6) == 0 {
		revision = record.Revision(w.random.Int64N(int64(w.model.head + 2)))
	}
	if remove {
		return delWrite(id, revision)
	}
	return setWrite(id, fmt.Sprint("data", w.random.IntN(1000)), revision)
}

// readPage moves the mirror on by one page.
func (w *walker) readPage() (done bool) {
	w.t.Helper()
	page, err := w.tryChanges(w.cursor, 1+w.random.IntN(6))
	if _, tooOld := errors.AsType[*record.CursorTooOldError](err); tooOld {
		w.cursor, w.mirror = "", map[string]record.Record{}
		return false
	}
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range page.Records {
		w.mirror[r.ID] = r
		if r.Deleted {
			delete(w.mirror, r.ID)
		}
	}
	w.cursor = page.Cursor.String()
	return !page.HasMore
}

func (w *walker) catchUp() {
	w.t.Helper()
	for !w.readPage() {
	}
	live := maps.Clone(w.model.records)
	maps.DeleteFunc(live, func(_ string, r record.Record) bool { return r.Deleted })
	assertRecords(w.t, ordered(w.mirror), showAll(ordered(live)))
	bytes := 0
	for _, r := range live {
		bytes += len(r.Data)
	}
	a := w.account()
	want := record.Account{
		Head: w.model.head, Floor: w.model.floor, Erased: w.model.erased, Epoch: a.Epoch,
		RecordCount: int64(len(live)), StoredBytes: int64(bytes), Exists: w.model.head > 0,
		Tombstones: int64(len(w.model.records) - len(live)), MutationBytes: a.MutationBytes,
	}
	if (a.MutationBytes > 0) != (len(w.model.mutations) > 0) {
		w.t.Errorf("%d bytes of %d mutation ids", a.MutationBytes, len(w.model.mutations))
	}
	assertEqual(w.t, "account", a, want)
}

func ordered(records map[string]record.Record) []record.Record {
	return slices.SortedFunc(maps.Values(records), func(a, b record.Record) int { return cmp.Compare(a.Revision, b.Revision) })
}

// model is one owner's data by the plain words of the contract.
type model struct {
	head, floor, erased record.Revision
	records             map[string]record.Record
	mutations           map[string]applied
	fences              map[string]record.FenceToken
}

type applied struct {
	content   string
	revisions []record.Revision
}

// errInvalid stands for any *record.InvalidError.
var errInvalid = errors.New("invalid")

// write answers as describe does.
func (m *model) write(r record.Request) (string, error) {
	content := fmt.Sprint(r.Kind, r.Writes)
	if r.MutationID != nil {
		if before, ok := m.mutations[*r.MutationID]; ok {
			if before.content != content {
				return "", record.ErrMutationIDReused
			}
			return m.answer("success replayed", r.Writes, before.revisions), nil
		}
	}
	if r.Fence != nil {
		granted := m.fences[r.Fence.Lock]
		if granted == 0 || r.Fence.Token > granted {
			return "", errInvalid
		}
		if r.Fence.Token < granted {
			return "", record.ErrFenced
		}
	}
	if answer, ok := m.conflict(r.Writes); ok {
		return answer, nil
	}
	revisions := m.apply(r.Writes)
	if r.MutationID != nil {
		m.mutations[*r.MutationID] = applied{content, revisions}
	}
	return m.answer("success", r.Writes, revisions), nil
}

func (m *model) conflict(writes []record.Write) (string, bool) {
	answer, clash := "conflict", false
	for _, w := range writes {
		current, there := m.records[w.ID]
		fits := there && w.Revision == current.Revision ||
			!w.Delete && w.Revision == 0 && (!there || current.Deleted)
		switch {
		case fits:
			answer += "; skipped"
		case there:
			answer += "; conflict " + show(current)
		default:
			answer += "; conflict"
		}
		clash = clash || !fits
	}
	return answer, clash
}

func (m *model) apply(writes []record.Write) []record.Revision {
	var revisions []record.Revision
	for _, w := range writes {
		if current := m.records[w.ID]; w.Delete && current.Deleted {
			revisions = append(revisions, current.Revision)
			continue
		}
		m.head++
		m.records[w.ID] = record.Record{ID: w.ID, Data: w.Data, Revision: m.head, Deleted: w.Delete}
		revisions = append(revisions, m.head)
	}
	return revisions
}

func (m *model) answer(status string, writes []record.Write, revisions []record.Revision) string {
	for i, w := range writes {
		status += fmt.Sprintf("; success %d", revisions[i])
		if r, ok := m.records[w.ID]; ok {
			status += " " + show(r)
		}
	}
	return status
}

func (m *model) purge(floor record.Revision) {
	m.floor = floor
	maps.DeleteFunc(m.records, func(_ string, r record.Record) bool { return r.Deleted && r.Revision <= floor })
}

// erase answers how many records there were.
func (m *model) erase() (records int64) {
	for _, r := range m.records {
		if !r.Deleted {
			records++
		}
	}
	m.head++
	m.floor, m.erased = m.head, m.head
	clear(m.records)
	clear(m.mutations)
	clear(m.fences)
	return records
}
