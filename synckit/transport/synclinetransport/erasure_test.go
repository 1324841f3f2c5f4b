package synclinetransport_test

import (
	"context"
	stderrors "errors"
	"slices"
	"strings"
	"testing"

	"syncline/auth/signing"
	"syncline/client"
	"syncline/internal/testservers"
	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/synclinetransport"
)

// device is a node of a user.
type device struct {
	*synckit.Manager
	store *memory.Store
	t     *testing.T
}

func newDevice(t *testing.T, c *client.Client, options synckit.SyncOptions) device {
	t.Helper()
	store, transport := memory.New(), synclinetransport.New(c, nil)
	options.BatchSize = 2
	m := synckit.NewSyncManager(store, transport, &options)
	t.Cleanup(func() { m.Close(); transport.Close(); store.Close() })
	return device{m, store, t}
}

func (d device) write(ids ...string) {
	d.t.Helper()
	for _, id := range ids {
		if err := d.store.Store(d.t.Context(), newEvent(id).Event, nil); err != nil {
			d.t.Fatal(err)
		}
	}
}

func (d device) sync() *synckit.SyncResult {
	d.t.Helper()
	r, err := d.Sync(testContext(d.t))
	if err != nil || len(r.Errors) > 0 {
		d.t.Fatalf("sync: %v, %v", err, r.Errors)
	}
	return r
}

// waiting are the events that wait in the reviews because of an erasure.
func (d device) waiting() []string {
	d.t.Helper()
	reviews, err := d.Reviews(d.t.Context(), "", 100)
	if err != nil {
		d.t.Fatal(err)
	}
	var found []string
	for _, r := range reviews {
		if !strings.Contains(r.Reason, string(errors.Erased)) {
			d.t.Errorf("a review says %s", r.Reason)
		}
		found = append(found, ids(r.Local)...)
	}
	slices.Sort(found)
	return found
}

func (d device) expect(what string, got, want []string) {
	d.t.Helper()
	if !slices.Equal(got, want) {
		d.t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func erase(t *testing.T, c *client.Client) {
	t.Helper()
	if _, err := c.EraseAccount(testContext(t), c.Owner()); err != nil {
		t.Fatal(err)
	}
}

// What a device wrote before it learns that the account was erased does not go there unasked. It
// waits for somebody, and what is written afterwards is pushed.
func TestAnErasedAccount(t *testing.T) {
	t.Parallel()
	server := testservers.StartSyncline(t)
	begin := func(t *testing.T, options synckit.SyncOptions) (c *client.Client, b device, key signing.PrivateKey) {
		key = newKey(t)
		c = newClient(t, server.URL(), key)
		a := newDevice(t, c, synckit.SyncOptions{})
		b = newDevice(t, newClient(t, server.URL(), key), options)
		a.write("a1")
		a.sync()
		b.sync()
		return c, b, key
	}
	bySync := func(d device) (*synckit.SyncResult, error) { return d.Sync(testContext(d.t)) }
	byPush := func(d device) (*synckit.SyncResult, error) { return d.Push(testContext(d.t)) }
	for name, test := range map[string]struct {
		options synckit.SyncOptions
		learn   func(device) (*synckit.SyncResult, error)
	}{
		"by a sync":                     {learn: bySync},
		"by a push":                     {learn: byPush},
		"by a manager that only pushes": {synckit.SyncOptions{PushOnly: true}, bySync},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, b, key := begin(t, test.options)
			b.write("b1", "b2", "b3")
			erase(t, c)
			r, err := test.learn(b)
			if errors.CodeOf(err) != errors.Erased || errors.IsRetryable(err) || !r.Erased || r.ReviewsAdded != 3 || r.EventsPushed != 0 {
				t.Errorf("%+v, %v", r, err)
			}
			b.expect("waiting", b.waiting(), []string{"b1", "b2", "b3"})
			if s, err := b.Stats(t.Context()); err != nil || s.Unsent != 0 {
				t.Errorf("%+v, %v", s, err)
			}
			b.write("b4")
			if r := b.sync(); r.EventsPushed != 1 || r.Erased {
				t.Errorf("afterwards: %+v", r)
			}
			there := connect(t, server.URL(), key)
			b.expect("at the server", pull(t, there, nil), []string{"b4"})
		})
	}
	t.Run("sent all the same", func(t *testing.T) {
		t.Parallel()
		c, b, key := begin(t, synckit.SyncOptions{})
		b.write("b1", "b2")
		erase(t, c)
		if _, err := b.Sync(testContext(t)); errors.CodeOf(err) != errors.Erased {
			t.Fatal(err)
		}
		reviews, err := b.Reviews(t.Context(), "", 10)
		if err != nil || len(reviews) != 2 {
			t.Fatalf("%v, %v", reviews, err)
		}
		if err := b.SendAgain(testContext(t), reviews[0].ID); err != nil {
			t.Fatal(err)
		}
		if err := b.Decide(testContext(t), reviews[1].ID, nil); err != nil {
			t.Fatal(err)
		}
		b.sync()
		there := pull(t, connect(t, server.URL(), key), nil)
		if !slices.Contains(there, ids(reviews[0].Local)[0]) || slices.Contains(there, ids(reviews[1].Local)[0]) {
			t.Errorf("at the server: %v", there)
		}
	})
	t.Run("a process that is killed on the way", func(t *testing.T) {
		t.Parallel()
		c, b, key := begin(t, synckit.SyncOptions{})
		b.write("b1", "b2", "b3", "b4", "b5")
		erase(t, c)
		dying := &dyingLog{memoryLog: b.store, left: 3} // the mark, and one page of what waits
		transport := connect(t, server.URL(), key)
		first := synckit.NewSyncManager(dying, transport, &synckit.SyncOptions{BatchSize: 2})
		defer first.Close()
		if r, err := first.Sync(testContext(t)); errors.CodeOf(err) != errors.Erased || r.Erased {
			t.Fatalf("%+v, %v", r, err)
		}
		if got := b.waiting(); len(got) == 0 || len(got) == 5 {
			t.Fatalf("it was not ended in the middle: %v", got)
		}
		b.write("later")
		r, err := b.Push(testContext(t))
		if errors.CodeOf(err) != errors.Erased || r.EventsPushed > 0 {
			t.Errorf("%+v, %v", r, err)
		}
		b.expect("waiting", b.waiting(), []string{"b1", "b2", "b3", "b4", "b5"})
		b.sync()
		b.expect("at the server", pull(t, transport, nil), []string{"later"})
	})
	t.Run("a device that is live", func(t *testing.T) {
		t.Parallel()
		c, b, _ := begin(t, synckit.SyncOptions{})
		told := make(chan *synckit.SyncResult, 100)
		if err := b.Subscribe(func(r *synckit.SyncResult) { told <- r }); err != nil {
			t.Fatal(err)
		}
		if err := b.StartAutoSync(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-told
		erase(t, c)
		ctx := testContext(t)
		for erased := false; !erased; {
			select {
			case r := <-told:
				erased = r.Erased
			case <-ctx.Done():
				t.Fatal("it was not told")
			}
		}
	})
}

type memoryLog = memory.Store

// dyingLog is a log whose process is killed after some commits.
type dyingLog struct {
	*memoryLog
	left int
}

func (l *dyingLog) Commit(ctx context.Context, commit synckit.Commit) (synckit.Committed, error) {
	if len(commit.Append)+len(commit.Cursors) == 0 {
		return l.memoryLog.Commit(ctx, commit) // which only reads
	}
	if l.left--; l.left < 0 {
		return synckit.Committed{}, stderrors.New("killed")
	}
	return l.memoryLog.Commit(ctx, commit)
}
