package retention_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"syncline/ent/appliedmutation"
	entrecord "syncline/ent/record"
	"syncline/feed"
	"syncline/internal/testservers"
	"syncline/pubsub"
	"syncline/pubsub/inproc"
	"syncline/record"
	"syncline/storage"
	"syncline/storage/commit"
	"syncline/storage/records"
	"syncline/storage/retention"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOnSQLite(t *testing.T) {
	t.Parallel()
	run(t, testservers.SQLite)
}

func TestOnPostgres(t *testing.T) {
	t.Parallel()
	run(t, testservers.StartPostgres(t).Open)
}

// One row that cannot be deleted keeps nothing else: neither the units that come
// after it, nor mutation ids.
func TestOneFailureKeepsNothingElse(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testservers.SQLite(t))
	const owners = 40 // more than are carried out at a time
	h.bury(t, ownerNumber(0), "stuck")
	for n := range owners {
		h.bury(t, ownerNumber(1+n), "a")
	}
	h.write(t, alice, record.Write{ID: "b"}, "once")
	_, err := h.db.Write.ExecContext(t.Context(), `CREATE TRIGGER stuck BEFORE DELETE ON syncline_records
WHEN old.id = 'stuck' BEGIN SELECT raise(ABORT, 'it is stuck'); END`)
	if err != nil {
		t.Fatal(err)
	}
	h.elapse(100 * day)
	swept, err := h.sweeper(90*day, 30*day).Sweep(t.Context())
	if err == nil || !strings.Contains(err.Error(), "it is stuck") {
		t.Errorf("not the failure: %v", err)
	}
	if swept != (retention.Swept{Tombstones: owners, Mutations: 1}) || h.tombstones(t) != 1 {
		t.Errorf("swept %+v, %d tombstones are left; want all but one", swept, h.tombstones(t))
	}
}

func run(t *testing.T, open func(testing.TB) *storage.DB) {
	for _, c := range []struct {
		name string
		test func(*testing.T, *house)
	}{
		{"old tombstones go, and cursors below them are too old", testTombstones},
		{"none goes before an older one that is kept", testOrder},
		{"old mutation ids go, younger ones are remembered", testMutations},
		{"for ever", testForEver},
		{"what was written again is left alone", testWrittenAgain},
		{"many owners, pages and units", testMany},
		{"mirrors beside writers and sweeps", testMirrors},
		{"the oldest tombstones of an owner who left too many go", testTooManyTombstones},
		{"the oldest mutation ids of an owner who left too many go", testTooManyMutations},
		{"who is not purged in time cannot grow", testTracesFull},
		{"random operations leave rows in proportion to live records", testProportion},
		{"two instances trim an owner once", testTrimTwice},
		{"ended holds and unused fences go", testLocks},
		{"an owner cannot fill the disk with locks", testTooManyLocks},
		{"what was erased goes", testErased},
		{"erased again meanwhile", testErasedTwice},
		{"what was erased is old", testErasedAndOld},
		{"erasures beside writers, walks and sweeps", testEraseBesideAll},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, newHouse(t, open(t)))
		})
	}
}

var silent = slog.New(slog.DiscardHandler)

// nowhere is a bus that nobody listens to.
type nowhere struct{}

func (nowhere) Publish(context.Context, pubsub.Hint) error { return nil }

// house is a store with a clock that stands still until it is moved.
type house struct {
	db      *storage.DB
	engine  *commit.Engine
	store   *records.Store
	service *record.Service
	bus     *inproc.Bus
	quota   record.Quota

	mu  sync.Mutex
	now time.Time
}

func newHouse(t *testing.T, db *storage.DB) *house {
	h := &house{db: db, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	h.engine = db.NewEngine()
	h.store = records.New(db, h.engine)
	h.store.SetClock(h.time)
	h.bus = inproc.New()
	t.Cleanup(h.bus.Close)
	h.service = record.NewService(h.store, h.bus, silent)
	return h
}

func (h *house) time() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *house) elapse(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

func (h *house) sweeper(tombstones, mutations time.Duration) *retention.Sweeper {
	config := retention.Config{Tombstones: tombstones, Mutations: mutations, Quota: h.quota}
	return retention.New(h.db.Read, h.engine, config, h.time, silent)
}

func (h *house) sweep(t *testing.T, tombstones, mutations time.Duration) retention.Swept {
	t.Helper()
	swept, err := h.sweeper(tombstones, mutations).Sweep(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return swept
}

func ownerNumber(n int) record.Owner { return record.Owner{0: 2, 31: byte(n >> 8), 32: byte(n)} }

var alice = ownerNumber(1)

const day = 24 * time.Hour

func (h *house) write(t *testing.T, owner record.Owner, w record.Write, mutationID string) record.Result {
	t.Helper()
	request := record.Request{Kind: record.KindSet, Writes: []record.Write{w}}
	if w.Delete {
		request.Kind = record.KindDelete
	}
	if mutationID != "" {
		request.MutationID = &mutationID
	}
	result, err := h.service.Write(t.Context(), owner, request)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// put writes a new record and answers its revision.
func (h *house) put(t *testing.T, owner record.Owner, id string) record.Revision {
	t.Helper()
	return h.write(t, owner, record.Write{ID: id, Data: []byte(id)}, "").Results[0].NewRevision
}

// bury writes a new record and deletes it, and answers the tombstone's revision.
func (h *house) bury(t *testing.T, owner record.Owner, id string) record.Revision {
	t.Helper()
	seen := h.put(t, owner, id)
	return h.write(t, owner, record.Write{ID: id, Delete: true, Revision: seen}, "").Results[0].NewRevision
}

func (h *house) tombstones(t *testing.T) int {
	t.Helper()
	return h.db.Read.Record.Query().Where(entrecord.Deleted(true)).CountX(t.Context())
}

func (h *house) floor(t *testing.T, owner record.Owner) record.Revision {
	t.Helper()
	a, err := h.service.Account(t.Context(), owner)
	if err != nil {
		t.Fatal(err)
	}
	return a.Floor
}

func testTombstones(t *testing.T, h *house) {
	h.put(t, alice, "live")
	before := h.cursor(t, alice)
	old := h.bury(t, alice, "old")
	atOld := h.cursor(t, alice)
	h.elapse(10 * day)
	h.bury(t, alice, "young")
	h.elapse(81 * day)
	if swept := h.sweep(t, 90*day, 30*day); swept != (retention.Swept{Tombstones: 1}) {
		t.Errorf("swept %+v, want the one tombstone that is 91 days old", swept)
	}
	if got := h.floor(t, alice); got != old {
		t.Errorf("floor %d, want %d", got, old)
	}
	_, err := h.service.Changes(t.Context(), alice, before, 10)
	if tooOld, ok := errors.AsType[*record.CursorTooOldError](err); !ok || tooOld.Floor != old {
		t.Errorf("a cursor from before the delete: %v", err)
	}
	page, err := h.service.Changes(t.Context(), alice, atOld, 10)
	if err != nil || len(page.Records) != 1 || page.Records[0].ID != "young" || !page.Records[0].Deleted {
		t.Errorf("a cursor from after it: %+v, %v", page.Records, err)
	}
	found, err := h.service.Records(t.Context(), alice, []string{"live", "old", "young"})
	if err != nil || found[0] == nil || found[1] != nil || found[2] == nil {
		t.Errorf("found %v, %v", found, err)
	}
	if swept := h.sweep(t, 90*day, 30*day); swept != (retention.Swept{}) {
		t.Errorf("a second sweep purged %+v", swept)
	}
	if got := h.put(t, alice, "old"); got != 6 {
		t.Errorf("a purged id is written again at revision %d", got)
	}
}

func (h *house) cursor(t *testing.T, owner record.Owner) record.Cursor {
	t.Helper()
	a, err := h.service.Account(t.Context(), owner)
	if err != nil {
		t.Fatal(err)
	}
	return record.CursorAt(a.Epoch, a.Head)
}

// The clock may have been set back: what seems old but comes after a tombstone
// that is kept stays, for the floor cannot pass that one.
func testOrder(t *testing.T, h *house) {
	first := h.bury(t, alice, "first")
	h.elapse(50 * day)
	h.bury(t, alice, "second")
	h.elapse(-50 * day)
	h.bury(t, alice, "third")
	other := h.bury(t, ownerNumber(2), "a")
	h.elapse(100 * day)
	if swept := h.sweep(t, 90*day, 0); swept.Tombstones != 2 {
		t.Errorf("swept %+v, want the first of one owner and the only one of the other", swept)
	}
	if h.floor(t, alice) != first || h.floor(t, ownerNumber(2)) != other || h.tombstones(t) != 2 {
		t.Errorf("floors %d and %d, %d tombstones are left", h.floor(t, alice), h.floor(t, ownerNumber(2)), h.tombstones(t))
	}
}

func testMutations(t *testing.T, h *house) {
	old := record.Write{ID: "a", Data: []byte("a")}
	young := record.Write{ID: "b", Data: []byte("b")}
	h.write(t, alice, old, "old")
	h.elapse(20 * day)
	h.write(t, alice, young, "young")
	h.elapse(11 * day)
	if swept := h.sweep(t, 90*day, 30*day); swept != (retention.Swept{Mutations: 1}) {
		t.Errorf("swept %+v, want the one mutation id that is 31 days old", swept)
	}
	if again := h.write(t, alice, young, "young"); !again.Replayed {
		t.Errorf("a mutation id of 11 days: %+v", again)
	}
	if again := h.write(t, alice, old, "old"); again.Replayed || again.Status != record.Conflict {
		t.Errorf("a mutation id of 31 days is judged again: %+v", again)
	}
}

func testForEver(t *testing.T, h *house) {
	h.bury(t, alice, "a")
	h.write(t, alice, record.Write{ID: "b"}, "once")
	h.elapse(100 * 365 * day)
	if swept := h.sweep(t, 0, 0); swept != (retention.Swept{}) {
		t.Errorf("swept %+v", swept)
	}
}

// testWrittenAgain writes over a tombstone after it was found old, before it is
// purged.
func testWrittenAgain(t *testing.T, h *house) {
	h.bury(t, alice, "again")
	h.bury(t, alice, "gone")
	h.elapse(100 * day)
	resume := h.engine.Pause()
	swept := make(chan retention.Swept, 1)
	go func() {
		s, err := h.sweeper(90*day, 0).Sweep(t.Context())
		if err != nil {
			t.Error(err)
		}
		swept <- s
	}()
	testservers.Await(t, "the unit waits", func(context.Context) bool { return h.engine.Waiting() == 1 })
	elsewhere := records.New(h.db, h.db.NewEngine()) // as another process has it
	elsewhere.SetClock(h.time)
	_, err := elsewhere.Write(t.Context(), alice, record.Request{Kind: record.KindSet, Writes: []record.Write{{ID: "again", Data: []byte("x")}}})
	if err != nil {
		t.Fatal(err)
	}
	resume()
	if s := <-swept; s.Tombstones != 1 || h.floor(t, alice) != 4 {
		t.Errorf("swept %+v, floor %d", s, h.floor(t, alice))
	}
	found, err := h.service.Records(t.Context(), alice, []string{"again", "gone"})
	if err != nil || found[0] == nil || found[0].Deleted || found[1] != nil {
		t.Errorf("found %v, %v", found, err)
	}
}

// testMany has more of everything than one page or one unit takes, and two that
// sweep it at once.
func testMany(t *testing.T, h *house) {
	for n := range 20 {
		batch := record.Request{Kind: record.KindBatch}
		for i := range 100 {
			batch.Writes = append(batch.Writes, record.Write{ID: fmt.Sprint(i), Data: []byte("x")})
		}
		id := fmt.Sprint("many ", n)
		batch.MutationID = &id
		result, err := h.service.Write(t.Context(), ownerNumber(n), batch)
		if err != nil {
			t.Fatal(err)
		}
		bury := record.Request{Kind: record.KindBatch}
		for i, w := range result.Results {
			bury.Writes = append(bury.Writes, record.Write{ID: fmt.Sprint(i), Delete: true, Revision: w.NewRevision})
		}
		if _, err := h.service.Write(t.Context(), ownerNumber(n), bury); err != nil {
			t.Fatal(err)
		}
	}
	h.elapse(100 * day)
	var sweeps sync.WaitGroup
	var total [2]retention.Swept
	for i := range total {
		sweeps.Go(func() {
			var err error
			if total[i], err = h.sweeper(90*day, 30*day).Sweep(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	sweeps.Wait()
	if n := total[0].Tombstones + total[1].Tombstones; n != 2000 {
		t.Errorf("%d tombstones are said to be purged, of 2000: %+v", n, total)
	}
	if n := total[0].Mutations + total[1].Mutations; n != 20 {
		t.Errorf("%d mutation ids are said to be purged, of 20", n)
	}
	if n := h.db.Read.Record.Query().CountX(t.Context()); n != 0 {
		t.Errorf("%d records are left", n)
	}
	for n := range 20 {
		if got := h.floor(t, ownerNumber(n)); got != 200 {
			t.Errorf("owner %d: floor %d, want 200", n, got)
		}
	}
}

// testMirrors has sweeps purge what is a moment old, beside writers and mirrors
// that follow them from cursors: page by page, or by live feeds of another instance,
// which is restarted again and again. A mirror either goes on without a hole or is
// told that its cursor is too old, and begins again. In the end all mirrors equal
// the store, which holds little else than what is live.
func testMirrors(t *testing.T, h *house) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	const writers, writes, mirrors = 3, 150, 3
	var work, background sync.WaitGroup
	done := make(chan struct{})
	for n := range writers {
		random := rand.New(rand.NewPCG(seed, uint64(n)))
		work.Go(func() { h.churn(t, random, n, writes) })
	}
	background.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				if _, err := h.sweeper(time.Microsecond, time.Microsecond).Sweep(t.Context()); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	all := make([]*mirror, 2*mirrors)
	for n := range all {
		all[n] = &mirror{records: map[string]record.Revision{}, random: rand.New(rand.NewPCG(seed, uint64(100+n)))}
	}
	for _, m := range all[:mirrors] {
		background.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					m.follow(t, h)
				}
			}
		})
	}
	running, stop := context.WithCancel(t.Context())
	defer stop()
	lives := 0
	background.Go(func() {
		for ; running.Err() == nil; lives++ {
			h.live(t, running, all[mirrors:])
		}
	})
	work.Wait()
	close(done)
	stop()
	background.Wait()
	if t.Failed() {
		return
	}
	h.bury(t, alice, "the last") // no mirror has heard of it, so that each is below the floor
	h.elapse(time.Hour)
	h.sweep(t, time.Second, time.Second)
	a, err := h.service.Account(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	stored := h.db.Read.Record.Query().CountX(t.Context())
	remembered := h.db.Read.AppliedMutation.Query().Where(appliedmutation.AppliedAtLT(h.time().UnixMicro())).CountX(t.Context())
	if int64(stored) != a.RecordCount || remembered != 0 {
		t.Errorf("%d rows of records and %d mutation ids are stored, for %d live records", stored, remembered, a.RecordCount)
	}
	restarts := 0
	for n, m := range all {
		for m.follow(t, h) {
		}
		restarts += m.restarts
		if int64(len(m.records)) != a.RecordCount {
			t.Errorf("mirror %d has %d records of %d", n, len(m.records), a.RecordCount)
		}
		for id, revision := range m.records {
			r, err := h.service.Record(t.Context(), alice, id)
			if err != nil || r == nil || r.Revision != revision || r.Deleted {
				t.Errorf("mirror %d has %s at %d; the store has %+v, %v", n, id, revision, r, err)
			}
		}
	}
	t.Logf("the other instance was started %d times, mirrors began again %d times", lives, restarts)
	if restarts == 0 {
		t.Error("no mirror was told that its cursor is too old: the test does not try it")
	}
}

// churn creates and deletes records of one writer's own.
func (h *house) churn(t *testing.T, random *rand.Rand, writer, writes int) {
	seen := map[string]record.Revision{}
	for n := range writes {
		id := fmt.Sprintf("%d/%d", writer, random.IntN(20))
		w := record.Write{ID: id, Data: []byte(fmt.Sprint(n)), Revision: seen[id]}
		w.Delete = seen[id] > 0 && random.IntN(2) == 0
		result := h.write(t, alice, w, fmt.Sprintf("%d-%d", writer, n))
		if result.Status != record.Success {
			t.Errorf("%+v: %+v", w, result)
			return
		}
		seen[id] = result.Results[0].NewRevision
		if w.Delete {
			seen[id] = 0
		}
		h.elapse(time.Microsecond)
	}
}

// mirror is a copy of an owner's records, kept up to date by a cursor.
type mirror struct {
	records  map[string]record.Revision
	found    map[string]record.Revision // by a walk from the beginning; nil: none is under way
	cursor   record.Cursor
	restarts int
	random   *rand.Rand
}

// live has mirrors follow feeds of an instance that begins with them and ends when
// each has heard a few things.
func (h *house) live(t *testing.T, ctx context.Context, mirrors []*mirror) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	engine := h.db.NewEngine()
	defer engine.Close(context.WithoutCancel(ctx))
	store := records.New(h.db, engine)
	store.SetClock(h.time)
	f := feed.New(record.NewService(store, nowhere{}, silent), h.bus, 50*time.Millisecond, silent)
	var polling, following sync.WaitGroup
	polling.Go(func() { _ = f.Run(ctx) })
	for _, m := range mirrors {
		following.Go(func() { m.hear(t, ctx, f, 1+m.random.IntN(40)) })
	}
	following.Wait()
	end()
	polling.Wait()
}

// hear follows a feed for so many events.
func (m *mirror) hear(t *testing.T, ctx context.Context, f *feed.Feed, events int) {
	for events > 0 && ctx.Err() == nil {
		if m.cursor.IsStart() {
			m.found = map[string]record.Revision{}
		}
		follower, err := f.Follow(ctx, alice, &m.cursor)
		for err == nil && events > 0 {
			var event feed.Event
			if event, err = follower.Next(ctx); err == nil {
				m.apply(event)
				events--
			}
		}
		if follower != nil {
			follower.Close()
		}
		switch _, tooOld := errors.AsType[*record.CursorTooOldError](err); {
		case tooOld:
			m.restarts++
			m.cursor, m.found = record.Cursor{}, nil
		case err != nil && ctx.Err() == nil:
			t.Error(err)
			return
		}
	}
}

func (m *mirror) apply(event feed.Event) {
	into := m.records
	if m.found != nil {
		into = m.found
	}
	switch {
	case event.Kind == feed.CaughtUp && m.found != nil: // what the walk did not bring is gone
		m.records, m.found = m.found, nil
	case event.Kind == feed.CaughtUp:
	case event.Record.Deleted:
		delete(into, event.Record.ID)
	default:
		into[event.Record.ID] = event.Record.Revision
	}
	m.cursor = event.Cursor
}

// follow reads a page and tells whether there is more.
func (m *mirror) follow(t *testing.T, h *house) (more bool) {
	page, err := h.service.Changes(context.WithoutCancel(t.Context()), alice, m.cursor, 1+m.random.IntN(10))
	if _, tooOld := errors.AsType[*record.CursorTooOldError](err); tooOld {
		m.restarts++
		m.cursor, m.found = record.Cursor{}, nil
		return true
	}
	if err != nil {
		t.Error(err)
		return false
	}
	into := m.records
	if m.cursor.IsStart() {
		m.found = map[string]record.Revision{}
	}
	if m.found != nil {
		into = m.found
	}
	for _, r := range page.Records {
		if r.Deleted {
			delete(into, r.ID)
		} else {
			into[r.ID] = r.Revision
		}
	}
	m.cursor = page.Cursor
	if m.found != nil && !page.HasMore { // what the walk did not bring is gone
		m.records, m.found = m.found, nil
	}
	return page.HasMore
}
