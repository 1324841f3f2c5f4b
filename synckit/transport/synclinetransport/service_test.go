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
		"other records are no events":            testOtherRecords,
		"an event twice in one push":             testTwice,
		"an event that was deleted comes back":   testDeleted,
		"a record that only looks like an event": testForgery,
		"pulling after versions":                 testVersions,
		"pulling after clocks":                   testClocks,
		"pushes of many bytes":                   testManyBytes,
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

func testForgery(t *testing.T, c *client.Client, transport *synclinetransport.Transport) {
	for i, data := range []string{`nonsense`, `{"event":{"id":"another"}}`, `{"event":{"id":"2"},"version":"?"}`} {
		w, err := c.Set(testContext(t), fmt.Sprint("e/", i), []byte(data), 0, client.WithSchemaVersion("synckit/1"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := transport.PullPage(testContext(t), "", 10); err == nil || errors.IsRetryable(err) {
			t.Errorf("%s: %v", data, err)
		}
		if _, err := c.Delete(testContext(t), fmt.Sprint("e/", i), w.Revision); err != nil {
			t.Fatal(err)
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
