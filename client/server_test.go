package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"syncline/auth/signing"
	"syncline/client"
	"syncline/internal/cutproxy"
	"syncline/internal/testservers"
)

// newRealClient makes a client of a new owner.
func newRealClient(t *testing.T, endpoint string, opts ...client.Option) *client.Client {
	t.Helper()
	return newClient(t, endpoint, append(opts, client.WithHTTPClient(privateHTTP(t)))...)
}

// privateHTTP is an HTTP client whose connections end with the test.
func privateHTTP(t *testing.T) *http.Client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// must is for calls that cannot fail here.
func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func TestAgainstTheServer(t *testing.T) {
	t.Parallel()
	server := testservers.StartSyncline(t)
	for name, test := range map[string]func(*testing.T, context.Context, *client.Client){
		"records": testRecords, "batches": testBatches, "reading": testReading,
		"mutation ids": testMutationIDs, "limits and errors": testLimits, "locks": testLocks, "fences": testFences,
		"erasing": testErase,
		"live":    testLive,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, testContext(t), newRealClient(t, server.URL(), client.WithClientID("laptop")))
		})
	}
	t.Run("delivered twice", func(t *testing.T) {
		t.Parallel()
		testDeliveredTwice(t, server.URL())
	})
	t.Run("a renewal that comes late", func(t *testing.T) {
		t.Parallel()
		testLateRenewal(t, server.URL())
	})
	t.Run("a clock that is off", func(t *testing.T) {
		t.Parallel()
		for _, off := range []time.Duration{-23 * time.Hour, 23 * time.Hour} {
			skewed := client.WithClock(func() time.Time { return time.Now().Add(off) })
			c := newRealClient(t, server.URL(), skewed)
			must(c.Viewer(testContext(t)))(t)
			for e, err := range newRealClient(t, server.URL(), skewed).Follow(testContext(t), client.Now) {
				if err != nil || e.Kind != client.CaughtUp {
					t.Errorf("%v, %v", e, err)
				}
				break
			}
		}
	})
}

// twice delivers the first request twice, and loses the first answer, as a proxy may.
type twice struct {
	http.RoundTripper
	once sync.Once
}

func (d *twice) RoundTrip(r *http.Request) (*http.Response, error) {
	d.once.Do(func() {
		first := r.Clone(r.Context())
		first.Body, _ = r.GetBody()
		if res, err := d.RoundTripper.RoundTrip(first); err == nil {
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		}
	})
	return d.RoundTripper.RoundTrip(r)
}

func testDeliveredTwice(t *testing.T, url string) {
	delivered := &twice{RoundTripper: privateHTTP(t).Transport}
	c := newClient(t, url, client.WithHTTPClient(&http.Client{Transport: delivered}))
	if w := must(c.Set(testContext(t), "a", []byte("x"), 0))(t); w.Revision != 1 || !w.Replayed {
		t.Errorf("%+v", w)
	}
}

// late lets a grant pass and keeps the renewal that follows on its way.
type late struct {
	http.RoundTripper
	granted atomic.Bool
	renewal chan *http.Request
}

func (l *late) RoundTrip(r *http.Request) (*http.Response, error) {
	sent, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(sent))
	if !bytes.Contains(sent, []byte(`"acquire":true`)) || l.granted.CompareAndSwap(false, true) {
		return l.RoundTripper.RoundTrip(r)
	}
	kept := r.Clone(context.Background())
	kept.Body = io.NopCloser(bytes.NewReader(sent))
	l.renewal <- kept
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// A renewal that arrives after the release does not take the lock again.
func testLateRenewal(t *testing.T, url string) {
	ctx, giveUp := context.WithCancel(testContext(t))
	line := &late{RoundTripper: privateHTTP(t).Transport, renewal: make(chan *http.Request, 1)}
	c := newClient(t, url, client.WithHTTPClient(&http.Client{Transport: line}))
	lease := must(c.TryLock(ctx, "l", client.WithTTL(3*time.Second)))(t)
	renewal := <-line.renewal
	giveUp() // the release does not wait for the renewal that is under way
	_ = lease.Release(ctx)
	if err := c.ReleaseLock(testContext(t), "l", lease.InstanceID()); err != nil {
		t.Fatal(err)
	}
	res, err := line.RoundTripper.RoundTrip(renewal)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if state := must(c.LockState(testContext(t), "l"))(t); state.Locked {
		t.Errorf("the late renewal took the lock for nobody: %+v", state)
	}
}

func testRecords(t *testing.T, ctx context.Context, c *client.Client) {
	data := []byte("\x00\xff and text")
	w := must(c.Set(ctx, "a", data, 0, client.WithSchemaVersion("2")))(t)
	r := must(c.Get(ctx, "a"))(t)
	if w.Revision != 1 || w.Replayed || string(r.Data) != string(data) || r.SchemaVersion != "2" || r.ClientID != "laptop" || r.Deleted {
		t.Errorf("%+v, %+v", w, r)
	}
	if age := time.Since(r.UpdatedAt); age < 0 || age > time.Minute {
		t.Errorf("updated %v ago", age)
	}

	_, err := c.Set(ctx, "a", nil, 0)
	var conflict *client.ConflictError
	if !errors.As(err, &conflict) || !errors.Is(err, client.ErrConflict) || conflict.Current == nil || conflict.Current.Revision != 1 {
		t.Errorf("a conflict: %#v", err)
	}
	if _, err = c.Delete(ctx, "missing", 1); !errors.As(err, &conflict) || conflict.Current != nil {
		t.Errorf("a conflict with nothing: %#v", err)
	}

	w = must(c.Set(ctx, "a", nil, 1))(t)
	if r = must(c.Get(ctx, "a"))(t); r.Data == nil || len(r.Data) != 0 {
		t.Errorf("empty data came back as %v", r.Data)
	}
	w = must(c.Delete(ctx, "a", w.Revision))(t)
	if r = must(c.Get(ctx, "a"))(t); !r.Deleted || r.Data != nil || r.Revision != w.Revision {
		t.Errorf("a tombstone: %+v", r)
	}
	if _, err = c.Get(ctx, "missing"); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

func testBatches(t *testing.T, ctx context.Context, c *client.Client) {
	all := must(c.Write(ctx, []client.Write{{ID: "a", Data: []byte("1")}, {ID: "b", Data: []byte("2"), SchemaVersion: "x"}}))(t)
	if all[0].Revision != 1 || all[1].Revision != 2 || all[1].Record.SchemaVersion != "x" {
		t.Errorf("%+v", all)
	}
	_, err := c.Write(ctx, []client.Write{{ID: "c"}, {ID: "a", Delete: true, Revision: 9}, {ID: "b", Revision: 1}})
	var batch *client.BatchConflictError
	if !errors.As(err, &batch) || !errors.Is(err, client.ErrConflict) || len(batch.Conflicts) != 2 ||
		batch.Conflicts[0].Index != 1 || batch.Conflicts[1].Current.Revision != 2 {
		t.Errorf("%#v", err)
	}
	all = must(c.Write(ctx, []client.Write{{ID: "a", Delete: true, Revision: 1}, {ID: "c"}}))(t)
	if !all[0].Record.Deleted || all[1].Revision != 4 {
		t.Errorf("%+v", all)
	}
}

func testReading(t *testing.T, ctx context.Context, c *client.Client) {
	for range 12 {
		batch := make([]client.Write, 100)
		for i := range batch {
			batch[i].ID = fmt.Sprintf("%016x", rand.Uint64())
		}
		must(c.Write(ctx, batch))(t)
	}
	var revisions []client.Revision
	pages := 0
	for page, err := range c.All(ctx, client.Beginning) {
		if err != nil {
			t.Fatal(err)
		}
		pages++
		for _, r := range page.Records {
			revisions = append(revisions, r.Revision)
		}
	}
	if pages != 3 || len(revisions) != 1200 || !slices.IsSorted(revisions) {
		t.Errorf("%d records on %d pages", len(revisions), pages)
	}
	page := must(c.Changes(ctx, "1199", 5))(t)
	if len(page.Records) != 1 || page.HasMore || page.Head != 1200 {
		t.Errorf("%+v", page)
	}
	id := page.Records[0].ID
	many := must(c.GetMany(ctx, "missing", id))(t)
	if len(many) != 2 || many[0] != nil || many[1].ID != id {
		t.Errorf("%+v", many)
	}
	v := must(c.Viewer(ctx))(t)
	if v.ID != c.Owner().String() || v.Head != 1200 || v.RecordCount != 1200 || v.Cursor != page.Cursor {
		t.Errorf("%+v", v)
	}
}

func testMutationIDs(t *testing.T, ctx context.Context, c *client.Client) {
	id := client.WithMutationID("mine")
	must(c.Set(ctx, "a", []byte("1"), 0, id))(t)
	if again := must(c.Set(ctx, "a", []byte("1"), 0, id))(t); !again.Replayed || again.Revision != 1 {
		t.Errorf("%+v", again)
	}
	if _, err := c.Set(ctx, "a", []byte("2"), 1, id); !errors.Is(err, client.ErrMutationIDReused) {
		t.Errorf("%v", err)
	}
}

func testLimits(t *testing.T, ctx context.Context, c *client.Client) {
	l := must(c.Limits(ctx))(t)
	if l.MaxRecordBytes != 64<<10 || l.MaxBatch != 100 || l.MaxRecords == nil || *l.MaxRecords != 100_000 || time.Since(l.ServerTime).Abs() > time.Minute {
		t.Errorf("%+v", l)
	}
	if l.TombstoneRetentionSeconds == nil || *l.TombstoneRetentionSeconds != 90*24*3600 || l.MutationRetentionSeconds == nil || *l.MutationRetentionSeconds != 30*24*3600 {
		t.Errorf("deletes are remembered for %v s, mutation ids for %v s", l.TombstoneRetentionSeconds, l.MutationRetentionSeconds)
	}
	_, err := c.Set(ctx, strings.Repeat("x", 65), nil, 0)
	var e *client.Error
	if !errors.As(err, &e) || e.Code != client.ErrBadUserInput || e.Field != "input.id" {
		t.Errorf("%#v", err)
	}
	if _, err := c.Changes(ctx, "nonsense", 10); !errors.Is(err, client.ErrBadUserInput) {
		t.Errorf("%v", err)
	}
	if _, err := c.Changes(ctx, "5", 10); !errors.Is(err, client.ErrEpochMismatch) {
		t.Errorf("a cursor ahead: %v", err)
	}
	for _, err := range c.Follow(ctx, "5") {
		if !errors.Is(err, client.ErrEpochMismatch) {
			t.Errorf("following from ahead: %v", err)
		}
	}
	if _, err := c.Changes(ctx, client.Now, 10); !errors.Is(err, client.ErrBadUserInput) {
		t.Errorf("Changes from Now: %v", err)
	}
}

func testLocks(t *testing.T, ctx context.Context, c *client.Client) {
	first := must(c.AcquireLock(ctx, "l"))(t)
	_, err := c.TryLock(ctx, "l")
	var held *client.HeldError
	if !errors.As(err, &held) || len(held.Lock.Holders) != 1 || held.Lock.Holders[0].InstanceID != first.InstanceID() {
		t.Errorf("%#v", err)
	}
	short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	if _, err := c.AcquireLock(short, "l"); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, client.ErrHeld) {
		t.Errorf("waiting in vain: %v", err)
	}
	var second *client.Lease
	var waiting sync.WaitGroup
	waiting.Go(func() { second, err = c.AcquireLock(ctx, "l") })
	if err := first.Release(ctx); err != nil {
		t.Error(err)
	}
	waiting.Wait()
	if err != nil || second.Token() <= first.Token() {
		t.Fatalf("%v, %v", second, err)
	}
	if err := second.Release(ctx); err != nil {
		t.Error(err)
	}

	shared := must(c.TryLock(ctx, "s", client.WithSharing()))(t)
	joined := must(c.TryLock(ctx, "s", client.WithSharing()))(t)
	if state := must(c.LockState(ctx, "s"))(t); len(state.Holders) != 2 || state.Exclusive || joined.Token() != shared.Token() {
		t.Errorf("%+v", state)
	}
	for _, l := range []*client.Lease{shared, joined} {
		if err := l.Release(ctx); err != nil {
			t.Error(err)
		}
	}
	if state := must(c.LockState(ctx, "s"))(t); state.Locked {
		t.Errorf("%+v", state)
	}
}

// testFences has a holder that does not know yet that it lost its lock.
func testFences(t *testing.T, ctx context.Context, c *client.Client) {
	old := must(c.SetLock(ctx, "l", client.WithTTL(time.Second), client.WithInstanceID("frozen")))(t)
	lease := must(c.AcquireLock(ctx, "l"))(t) // waits for the expiry
	must(c.Set(ctx, "a", nil, 0, client.WithFence(lease.Fence())))(t)
	_, err := c.Set(ctx, "b", nil, 0, client.WithFence(client.Fence{Lock: "l", Token: old.Token}))
	if !errors.Is(err, client.ErrFenced) {
		t.Errorf("%v", err)
	}
	if err := lease.Release(ctx); err != nil {
		t.Error(err)
	}
}

func testLive(t *testing.T, ctx context.Context, c *client.Client) {
	must(c.Set(ctx, "before", nil, 0))(t)
	var got []string
	for e, err := range c.Follow(ctx, client.Now) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e.String())
		switch {
		case e.Kind == client.CaughtUp:
			must(c.Set(ctx, "x", []byte("live"), 0))(t)
			continue
		case e.Record.ClientID != "laptop" || string(e.Record.Data) != "live":
			t.Errorf("%+v", e.Record)
		}
		break
	}
	equal(t, "events", got, "[CAUGHT_UP CHANGED x at revision 2]")
}

// TestWritesOverABadNetworkHappenOnce cuts every connection after a random
// number of bytes: some requests never arrive, some answers are lost.
func TestWritesOverABadNetworkHappenOnce(t *testing.T) {
	t.Parallel()
	server := testservers.StartSyncline(t)
	proxy := must(cutproxy.Listen(server.Address, func() int64 { return rand.Int64N(8000) }))(t)
	t.Cleanup(func() { proxy.Close() })
	c := newRealClient(t, "http://"+proxy.Addr()+"/graphql")
	ctx := testContext(t)

	const writers, each = 8, 10
	var mu sync.Mutex
	taken := map[client.Revision]string{}
	var running sync.WaitGroup
	for w := range writers {
		running.Go(func() {
			for i := range each {
				id := fmt.Sprintf("%d-%d", w, i)
				written, err := c.Set(ctx, id, []byte(id), 0)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if other, ok := taken[written.Revision]; ok {
					t.Errorf("%s and %s both took revision %d", id, other, written.Revision)
				}
				taken[written.Revision] = id
				mu.Unlock()
			}
		})
	}
	running.Wait()
	if len(taken) != writers*each || slices.Max(slices.Collect(maps.Keys(taken))) != writers*each {
		t.Errorf("%d writes took revisions up to %d", len(taken), slices.Max(slices.Collect(maps.Keys(taken))))
	}
	if proxy.Cuts() < writers {
		t.Errorf("the network was good: %d cuts", proxy.Cuts())
	}
}

// TestFollowOverABadNetwork cuts connections at any byte and restarts the server.
func TestFollowOverABadNetwork(t *testing.T) {
	t.Parallel()
	server := testservers.StartSyncline(t)
	proxy := must(cutproxy.Listen(server.Address, func() int64 { return 500 + rand.Int64N(8000) }))(t)
	t.Cleanup(func() { proxy.Close() })
	key := newKey(t)
	writer := must(client.New(server.URL(), key, client.WithHTTPClient(privateHTTP(t))))(t)
	reader := must(client.New("http://"+proxy.Addr()+"/graphql", key, client.WithHTTPClient(privateHTTP(t))))(t)
	ctx := testContext(t)

	const cuts, restartAt = 10, 50
	var writing sync.WaitGroup
	writing.Go(func() {
		for i := 0; i <= restartAt || proxy.Cuts() < cuts; i++ {
			if i == restartAt {
				server.Kill()
				server.Start()
			}
			if err := writeSomething(ctx, writer); err != nil {
				t.Error(err)
				break
			}
		}
		if _, err := writer.Set(ctx, "end", nil, 0); err != nil {
			t.Error(err)
		}
	})
	mirror, last := map[string]string{}, client.Revision(0)
	for e, err := range reader.Follow(ctx, client.Beginning) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind != client.Changed {
			continue
		}
		if e.Record.Revision <= last {
			t.Fatalf("revision %d after %d", e.Record.Revision, last)
		}
		last = e.Record.Revision
		apply(mirror, e.Record)
		if e.Record.ID == "end" {
			break
		}
	}
	writing.Wait()
	want := map[string]string{}
	for page, err := range writer.All(ctx, client.Beginning) {
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Records {
			apply(want, r)
		}
	}
	if !maps.Equal(mirror, want) {
		t.Errorf("the mirror has %v, the server %v", mirror, want)
	}
}

func apply(mirror map[string]string, r client.Record) {
	if r.Deleted {
		delete(mirror, r.ID)
		return
	}
	mirror[r.ID] = string(r.Data)
}

// writeSomething takes one revision: it writes or deletes one of a few records.
func writeSomething(ctx context.Context, c *client.Client) error {
	id := fmt.Sprintf("r%d", rand.IntN(20))
	r, err := c.Get(ctx, id)
	if err != nil && !errors.Is(err, client.ErrNotFound) {
		return err
	}
	if r.Revision > 0 && !r.Deleted && rand.IntN(3) == 0 {
		_, err = c.Delete(ctx, id, r.Revision)
		return err
	}
	_, err = c.Set(ctx, id, fmt.Appendf(nil, "%d", rand.Uint64()), r.Revision)
	return err
}

// TestLeaseSurvivesARestart: the lock is in the database.
func TestLeaseSurvivesARestart(t *testing.T) {
	t.Parallel()
	server := testservers.StartSyncline(t)
	c := newRealClient(t, server.URL())
	ctx := testContext(t)
	lease := must(c.TryLock(ctx, "l", client.WithTTL(3*time.Second)))(t)
	server.Kill()
	server.Start()
	renewed := false
	for state, err := range c.WatchLock(ctx, "l") {
		if err != nil {
			t.Fatal(err)
		}
		if !state.Locked {
			t.Fatal("the lock was lost")
		}
		until := state.Holders[0].ExpiresAt
		if renewed = time.Until(until) > 2500*time.Millisecond; renewed {
			break
		}
	}
	if err := lease.Release(ctx); err != nil || !renewed {
		t.Errorf("renewed: %t, %v", renewed, err)
	}
}

func testErase(t *testing.T, ctx context.Context, c *client.Client) {
	before := must(c.Viewer(ctx))(t)
	must(c.Set(ctx, "a", []byte("x"), 0))(t)
	stranger, err := signing.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.EraseAccount(ctx, stranger.Public()); !errors.Is(err, client.ErrBadUserInput) {
		t.Errorf("somebody else's account: %v", err)
	}
	erased := must(c.EraseAccount(ctx, c.Owner(), client.WithMutationID("once")))(t)
	if erased.Records != 1 {
		t.Errorf("%+v", erased)
	}
	_, err = c.Changes(ctx, before.Cursor, 10)
	if tooOld, ok := errors.AsType[*client.Error](err); !ok || tooOld.Code != client.ErrCursorTooOld || !tooOld.Erased {
		t.Errorf("a cursor from before: %#v", err)
	}
	must(c.Set(ctx, "a", []byte("y"), 0))(t)
	if again := must(c.EraseAccount(ctx, c.Owner(), client.WithMutationID("once")))(t); again != erased {
		t.Errorf("a retry answers %+v after %+v", again, erased)
	}
	if page := must(c.Changes(ctx, erased.Cursor, 10))(t); len(page.Records) != 1 {
		t.Errorf("%d records are left, want the one that was written since", len(page.Records))
	}
}
