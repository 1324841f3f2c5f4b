package feed_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"syncline/feed"
	"syncline/internal/testservers"
	"syncline/pubsub"
	"syncline/pubsub/inproc"
	"syncline/record"
	"syncline/storage/records"
)

// mirror is what a client keeps: the records, and the cursor to go on from.
type mirror struct {
	records  map[string]string
	cursor   record.Cursor
	last     record.Revision
	caughtUp int
	done     bool // the record that ends the test has come
}

// lastID is the record that is written last.
const lastID = "last"

func newMirror() *mirror { return &mirror{records: make(map[string]string)} }

// apply does what a client does with an event, and checks its order.
func (m *mirror) apply(event feed.Event) error {
	m.cursor = event.Cursor
	if event.Kind == feed.CaughtUp {
		m.caughtUp++
		return nil
	}
	r := event.Record
	if r.Revision <= m.last {
		return fmt.Errorf("revision %d came after %d", r.Revision, m.last)
	}
	m.last = r.Revision
	m.done = r.ID == lastID
	if r.Deleted {
		delete(m.records, r.ID)
	} else {
		m.records[r.ID] = string(r.Data)
	}
	return nil
}

// follow applies events until the last record has come, and now and then
// closes and resumes from the kept cursor.
func (m *mirror) follow(ctx context.Context, f *feed.Feed, owner record.Owner, random *rand.Rand) error {
	for !m.done {
		if err := m.followOnce(ctx, f, owner, random.IntN(200)); err != nil {
			return err
		}
	}
	return nil
}

func (m *mirror) followOnce(ctx context.Context, f *feed.Feed, owner record.Owner, events int) error {
	since, err := record.ParseCursor(m.cursor.String())
	if err != nil {
		return err
	}
	follower, err := f.Follow(ctx, owner, &since)
	if err != nil {
		return err
	}
	defer follower.Close()
	m.caughtUp = 0
	for range events {
		if m.done {
			return nil
		}
		event, err := follower.Next(ctx)
		if err != nil {
			return err
		}
		if err := m.apply(event); err != nil {
			return err
		}
		if m.caughtUp > 1 {
			return errors.New("caught up twice")
		}
	}
	return nil
}

func seeded(t *testing.T) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("SYNCLINE_TEST_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("SYNCLINE_TEST_SEED=%d repeats this", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// A bus that loses, repeats, delays and so reorders hints costs delay only.
func TestMirrorsOverABadBus(t *testing.T) {
	random := seeded(t)
	inBubble(t, func(w *world) {
		var mu sync.Mutex
		w.bus.publish = func(_ context.Context, hint pubsub.Hint) error {
			mu.Lock()
			defer mu.Unlock()
			if random.IntN(20) == 0 {
				hint.Revision = 0 // as after a reconnect
			}
			for range random.IntN(3) {
				time.AfterFunc(time.Duration(random.Int64N(int64(10*time.Second))), func() { _ = w.bus.Bus.Publish(context.Background(), hint) })
			}
			return nil
		}
		var followers sync.WaitGroup
		mirrors := make([]*mirror, 4)
		for i := range mirrors {
			mirrors[i] = newMirror()
			own := rand.New(rand.NewPCG(random.Uint64(), 0))
			followers.Go(func() {
				if err := mirrors[i].follow(w.Context(), w.feed, alice, own); err != nil {
					w.Error(err)
				}
			})
		}
		for range 3000 {
			owner, id := alice, fmt.Sprint(random.IntN(150))
			if random.IntN(10) == 0 {
				owner = bob // whom nobody here may hear of
			}
			w.memory.mu.Lock()
			current, ok := w.memory.of(owner).records[id]
			w.memory.mu.Unlock()
			if ok && !current.Deleted && random.IntN(4) == 0 {
				w.write(owner, id, nil)
			} else {
				w.write(owner, id, []byte(fmt.Sprint(owner, random.Int())))
			}
			if random.IntN(3) == 0 {
				pass(time.Duration(random.Int64N(int64(2 * time.Second))))
			}
		}
		w.write(alice, lastID, []byte("x"))
		followers.Wait()
		want := w.memory.state(alice)
		for i, m := range mirrors {
			if !maps.Equal(m.records, want) {
				w.Errorf("mirror %d differs: %d records, want %d", i, len(m.records), len(want))
			}
		}
		pass(10 * time.Second) // for the hints still under way
	})
}

// The same over a real store, writers and followers as fast as they can.
func TestMirrorsOverARealStore(t *testing.T) {
	t.Parallel()
	random := seeded(t)
	db := testservers.SQLite(t)
	bus := inproc.New()
	defer bus.Close()
	service := record.NewService(records.New(db, db.NewEngine()), bus, silent)
	f := feed.New(service, bus, 20*time.Millisecond, silent)
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	var polling, followers, writers sync.WaitGroup
	polling.Go(func() { _ = f.Run(ctx) })
	mirrors := make([]*mirror, 3)
	for i := range mirrors {
		mirrors[i] = newMirror()
		own := rand.New(rand.NewPCG(random.Uint64(), 0))
		followers.Go(func() {
			if err := mirrors[i].follow(ctx, f, alice, own); err != nil {
				t.Error(err)
			}
		})
	}
	for range 3 {
		own := rand.New(rand.NewPCG(random.Uint64(), 0))
		writers.Go(func() { writeAtRandom(t, service, own) })
	}
	writers.Wait()
	fresh := newMirror() // who comes now sees the state, and nothing else
	if err := fresh.catchUp(ctx, f, alice); err != nil {
		t.Fatal(err)
	}
	fresh.records[lastID] = "x"
	mustWrite(t, service, alice, record.Write{ID: lastID, Data: []byte("x")})
	followers.Wait()
	stop()
	polling.Wait()
	for i, m := range mirrors {
		if !maps.Equal(m.records, fresh.records) {
			t.Errorf("mirror %d differs: %d records, want %d", i, len(m.records), len(fresh.records))
		}
	}
}

// catchUp applies events up to CaughtUp.
func (m *mirror) catchUp(ctx context.Context, f *feed.Feed, owner record.Owner) error {
	follower, err := f.Follow(ctx, owner, start())
	if err != nil {
		return err
	}
	defer follower.Close()
	for m.caughtUp == 0 {
		event, err := follower.Next(ctx)
		if err != nil {
			return err
		}
		if err := m.apply(event); err != nil {
			return err
		}
	}
	return nil
}

// writeAtRandom sets and deletes alice's records in batches, and learns from
// conflicts with others who do; a stranger writes too.
func writeAtRandom(t *testing.T, service *record.Service, random *rand.Rand) {
	known := make(map[string]record.Revision)
	for range 150 {
		batch := make(map[string]record.Write)
		for range 1 + random.IntN(20) {
			id := fmt.Sprint(random.IntN(200))
			batch[id] = record.Write{
				ID: id, Revision: known[id], Data: []byte(fmt.Sprint(random.Int())),
				Delete: known[id] > 0 && random.IntN(4) == 0,
			}
		}
		for id, r := range mustWrite(t, service, alice, slices.Collect(maps.Values(batch))...) {
			known[id] = r
		}
		if random.IntN(10) == 0 {
			mustWrite(t, service, bob, record.Write{ID: fmt.Sprint(random.Int()), Data: []byte("a stranger's")})
		}
	}
}

// mustWrite answers the newest revision of each record that it tells of.
func mustWrite(t *testing.T, service *record.Service, owner record.Owner, writes ...record.Write) map[string]record.Revision {
	result, err := service.Write(t.Context(), owner, record.Request{Kind: record.KindBatch, Writes: writes})
	if err != nil {
		t.Error(err)
	}
	known := make(map[string]record.Revision)
	for _, r := range result.Results {
		if r.Record != nil {
			known[r.Record.ID] = r.Record.Revision
		}
	}
	return known
}
