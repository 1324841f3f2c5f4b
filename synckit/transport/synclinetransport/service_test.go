package synclinetransport_test

import (
	"context"
	stderrors "errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"syncline/client"
	"syncline/internal/testservers"
	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/synclinetransport"
	"syncline/synckit/version"
)

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func newEvent(id string) synckit.EventWithVersion {
	return synckit.EventWithVersion{Event: synckit.NewEvent(id, "Noted", "n", id, nil)}
}

func ids(events []synckit.EventWithVersion) []string {
	all := make([]string, len(events))
	for i, e := range events {
		all[i] = e.Event.ID()
	}
	return all
}

func TestWithTheServer(t *testing.T) {
	t.Parallel()
	server := testservers.StartSyncline(t)
	for name, test := range map[string]func(*testing.T, *client.Client, *synclinetransport.Transport){
		"other records are no events":          testOtherRecords,
		"an event twice in one push":           testTwice,
		"an event that was deleted comes back": testDeleted,
		"records that only look like events":   testForgery,
		"one of them while somebody listens":   testForgedLive,
		"pulling after versions":               testVersions,
		"pulling after clocks":                 testClocks,
		"pushes of many bytes":                 testManyBytes,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, server.URL(), newKey(t))
			transport := synclinetransport.New(c, nil)
			t.Cleanup(func() { transport.Close() })
			test(t, c, transport)
		})
	}
	t.Run("a device's name that is none", func(t *testing.T) {
		t.Parallel()
		c := newClient(t, server.URL(), newKey(t), client.WithClientID(strings.Repeat("x", 65)))
		outcome, ok := stderrors.AsType[*synckit.PushError](synclinetransport.New(c, nil).Push(testContext(t), []synckit.EventWithVersion{newEvent("a")}))
		if !ok || len(outcome.Refused) > 0 || errors.CodeOf(outcome.Err) != errors.InvalidOptions {
			t.Errorf("it is no event's fault: %+v", outcome)
		}
	})
}

func pull(t *testing.T, transport *synclinetransport.Transport, since synckit.Version) []string {
	t.Helper()
	events, err := transport.Pull(testContext(t), since)
	if err != nil {
		t.Fatal(err)
	}
	return ids(events)
}

func push(t *testing.T, transport *synclinetransport.Transport, events ...synckit.EventWithVersion) {
	t.Helper()
	if err := transport.Push(testContext(t), events); err != nil {
		t.Fatal(err)
	}
}

func testOtherRecords(t *testing.T, c *client.Client, transport *synclinetransport.Transport) {
	ctx := testContext(t)
	woken := make(chan []string)
	go transport.Subscribe(ctx, func(events []synckit.EventWithVersion) error {
		woken <- ids(events)
		return nil
	})
	if first := <-woken; len(first) != 0 {
		t.Errorf("%v", first)
	}
	for _, id := range []string{"note", "e/note", "h/note"} {
		if _, err := c.Set(ctx, id, []byte("not an event"), 0); err != nil {
			t.Fatal(err)
		}
	}
	push(t, transport, newEvent("a"))
	if got := <-woken; !slices.Equal(got, []string{"a"}) {
		t.Errorf("woken by %v", got)
	}
	if got := pull(t, transport, nil); !slices.Equal(got, []string{"a"}) {
		t.Errorf("pulled %v", got)
	}
	outcome, ok := stderrors.AsType[*synckit.PushError](transport.Push(ctx, []synckit.EventWithVersion{newEvent("note")}))
	if !ok || errors.CodeOf(outcome.Refused["note"]) != errors.EventIDReused {
		t.Errorf("%+v", outcome)
	}
}

func testTwice(t *testing.T, _ *client.Client, transport *synclinetransport.Transport) {
	push(t, transport, newEvent("a"), newEvent("b"), newEvent("a"))
	if got := pull(t, transport, nil); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("%v", got)
	}
}

func testDeleted(t *testing.T, c *client.Client, transport *synclinetransport.Transport) {
	push(t, transport, newEvent("a"), newEvent("b"))
	if _, err := c.Delete(testContext(t), "e/a", 1); err != nil {
		t.Fatal(err)
	}
	if got := pull(t, transport, nil); !slices.Equal(got, []string{"b"}) {
		t.Errorf("%v", got)
	}
	push(t, transport, newEvent("a"))
	if got := pull(t, transport, nil); !slices.Equal(got, []string{"b", "a"}) {
		t.Errorf("%v", got)
	}
}

// One record that is not as it should be does not keep the others from anybody.
// It is told of with its id and revision, and taken once it is mended.
func testForgery(t *testing.T, c *client.Client, transport *synclinetransport.Transport) {
	ctx := testContext(t)
	store := memory.New()
	defer store.Close()
	m := synckit.NewSyncManager(store, transport, nil)
	defer m.Close()
	forged := []struct{ id, data, schema string }{
		{"e/0", `nonsense`, "synckit/1"},
		{"e/1", `{"event":{"id":"another"}}`, "synckit/1"},
		{"e/2", `{"event":{"id":"2"},"version":"?"}`, "synckit/1"},
		{"e/3", `{"event":{"id":"3"}}`, "synckit/2"},
	}
	last := make([]client.Written, len(forged))
	for i, f := range forged {
		push(t, transport, newEvent(fmt.Sprint("before", i)))
		var err error
		if last[i], err = c.Set(ctx, f.id, []byte(f.data), 0, client.WithSchemaVersion(f.schema)); err != nil {
			t.Fatal(err)
		}
	}
	push(t, transport, newEvent("after"))
	sound := []string{"before0", "before1", "before2", "before3", "after"}
	if got := pull(t, transport, nil); !slices.Equal(got, sound) {
		t.Errorf("pulled %v", got)
	}
	r, err := m.Sync(ctx)
	if err != nil || r.EventsPulled != len(sound) || len(r.Errors) != len(forged) || r.ReviewsAdded != len(forged) {
		t.Fatalf("%+v, %v", r, err)
	}
	for i, f := range forged {
		want := fmt.Sprintf("record %q at revision %d", f.id, last[i].Revision)
		if err := r.Errors[i]; !strings.Contains(err.Error(), want) || errors.IsRetryable(err) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if r, err = m.Sync(ctx); err != nil || len(r.Errors) > 0 || r.EventsPulled > 0 {
		t.Errorf("again: %+v, %v", r, err)
	}
	if _, err := c.Set(ctx, "e/0", []byte(`{"event":{"id":"0"}}`), last[0].Revision, client.WithSchemaVersion("synckit/1")); err != nil {
		t.Fatal(err)
	}
	if r, err = m.Sync(ctx); err != nil || len(r.Errors) > 0 || r.EventsPulled != 1 {
		t.Errorf("mended: %+v, %v", r, err)
	}
}

// A subscriber hears of a record that cannot be read as of something new, and
// goes on.
func testForgedLive(t *testing.T, c *client.Client, transport *synclinetransport.Transport) {
	ctx, stop := context.WithCancel(testContext(t))
	defer stop()
	woken, ended := make(chan []string), make(chan error, 1)
	go func() {
		ended <- transport.Subscribe(ctx, func(events []synckit.EventWithVersion) error {
			woken <- ids(events)
			return nil
		})
	}()
	for i, want := range [][]string{{}, {}, {"a"}} {
		switch i {
		case 1:
			if _, err := c.Set(ctx, "e/0", []byte("nonsense"), 0, client.WithSchemaVersion("synckit/1")); err != nil {
				t.Fatal(err)
			}
		case 2:
			push(t, transport, newEvent("a"))
		}
		select {
		case got := <-woken:
			if !slices.Equal(got, want) {
				t.Errorf("woken by %v, want %v", got, want)
			}
		case err := <-ended:
			t.Fatalf("the subscription ended: %v", err)
		}
	}
}

// custom is a version of an app's own.
type custom string

func (c custom) Compare(other synckit.Version) int {
	return strings.Compare(string(c), other.String())
}
func (c custom) String() string { return string(c) }
func (c custom) IsZero() bool   { return c == "" }

func testVersions(t *testing.T, c *client.Client, _ *synclinetransport.Transport) {
	transport := synclinetransport.New(c, &synclinetransport.Options{
		Peer:   "mine",
		Parser: func(_ context.Context, s string) (synckit.Version, error) { return custom(s), nil },
	})
	defer transport.Close()
	if transport.Peer() != "mine" {
		t.Errorf("peer %q", transport.Peer())
	}
	events := []synckit.EventWithVersion{newEvent("a"), newEvent("b"), newEvent("c")}
	for i := range events {
		events[i].Version = custom(fmt.Sprint("v", i))
	}
	push(t, transport, events...)
	for since, want := range map[custom][]string{"": {"a", "b", "c"}, "v0": {"b", "c"}, "v2": {}, "unknown": {"a", "b", "c"}} {
		if got := pull(t, transport, since); !slices.Equal(got, want) {
			t.Errorf("after %q: %v, want %v", since, got, want)
		}
	}
}

func testClocks(t *testing.T, _ *client.Client, transport *synclinetransport.Transport) {
	events := []synckit.EventWithVersion{newEvent("a"), newEvent("b"), newEvent("c")}
	for i, counters := range []map[string]uint64{{"A": 1}, {"B": 1}, {"A": 2, "B": 1}} {
		clock, err := version.NewVectorClock(counters)
		if err != nil {
			t.Fatal(err)
		}
		events[i].Version = clock
	}
	push(t, transport, events...)
	if got := pull(t, transport, events[1].Version); !slices.Equal(got, []string{"a", "c"}) {
		t.Errorf("after B:1: %v", got)
	}
}

func testManyBytes(t *testing.T, _ *client.Client, transport *synclinetransport.Transport) {
	events := make([]synckit.EventWithVersion, 60)
	for i := range events {
		events[i].Event = synckit.NewEvent(fmt.Sprint(i), "", "", strings.Repeat("x", 60<<10), nil)
	}
	push(t, transport, events...)
	if got := pull(t, transport, nil); len(got) != len(events) {
		t.Errorf("%d events", len(got))
	}
}

// The server is killed and started again while several push and one reads by
// pages: nothing is lost, and nothing comes twice.
func TestKilledServer(t *testing.T) {
	t.Parallel()
	server := testservers.StartSyncline(t)
	key := newKey(t)
	const writers, each = 3, 60
	written := make(chan []string, writers)
	for w := range writers {
		transport := connect(t, server.URL(), key)
		go func() {
			var stored []string
			for i := range each {
				id := fmt.Sprintf("%d-%d", w, i)
				if err := transport.Push(testContext(t), []synckit.EventWithVersion{newEvent(id)}); err != nil {
					t.Errorf("push %s: %v", id, err)
				}
				stored = append(stored, id)
			}
			written <- stored
		}()
	}
	reader, at := connect(t, server.URL(), key), ""
	seen := map[string]int{}
	read := func() {
		page, err := reader.PullPage(testContext(t), at, 7)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range ids(page.Events) {
			seen[id]++
		}
		at = page.Cursor
	}
	for kills := range 2 {
		for len(seen) < (kills+1)*writers*each/4 {
			read()
		}
		server.Kill()
		server.Start()
	}
	all := map[string]bool{}
	for range writers {
		for _, id := range <-written {
			all[id] = true
		}
	}
	for len(seen) < len(all) {
		read()
	}
	for id := range all {
		if seen[id] != 1 {
			t.Errorf("%s came %d times", id, seen[id])
		}
	}
}
