package transporttest

import (
	"context"
	"crypto/rand"
	"fmt"
	"testing"

	"syncline/synckit"
	"syncline/synckit/errors"
)

// newEvents makes events with ids of their own and no version.
func newEvents(n int) []synckit.EventWithVersion {
	events := make([]synckit.EventWithVersion, n)
	prefix := rand.Text()
	for i := range events {
		events[i] = newEvent(fmt.Sprintf("%s-%05d", prefix, i), map[string]any{"number": i})
	}
	return events
}

func newEvent(id string, data any) synckit.EventWithVersion {
	return synckit.EventWithVersion{Event: synckit.NewEvent(id, "Noted", "notebook", data, nil)}
}

func ids(events []synckit.EventWithVersion) []string {
	all := make([]string, len(events))
	for i, e := range events {
		all[i] = e.Event.ID()
	}
	return all
}

func push(t *testing.T, transport synckit.Transport, events ...synckit.EventWithVersion) {
	t.Helper()
	if err := transport.Push(testContext(t), events); err != nil {
		t.Fatalf("Push: %v", err)
	}
}

// pushSoon pushes to a peer that was away: a connection that broke meanwhile may
// show only when it is used.
func pushSoon(t *testing.T, transport synckit.Transport, events ...synckit.EventWithVersion) {
	t.Helper()
	ctx := testContext(t)
	for {
		err := transport.Push(ctx, events)
		if err == nil {
			return
		}
		if !errors.IsRetryable(err) || ctx.Err() != nil {
			t.Fatalf("Push: %v", err)
		}
	}
}

// readAll reads the whole log, by pages where there are any.
func readAll(t *testing.T, transport synckit.Transport) []synckit.EventWithVersion {
	t.Helper()
	paged, ok := transport.(synckit.PagedTransport)
	if !ok {
		events, err := transport.Pull(testContext(t), nil)
		if err != nil {
			t.Fatalf("Pull: %v", err)
		}
		return events
	}
	events, _ := readFrom(t, paged, "", 100)
	return events
}

// readFrom reads what comes after a cursor now, and the cursor after it.
func readFrom(t *testing.T, transport synckit.PagedTransport, since string, limit int) ([]synckit.EventWithVersion, string) {
	t.Helper()
	events, cursor, err := tryReadFrom(testContext(t), transport, since, limit)
	if err != nil {
		t.Fatalf("PullPage: %v", err)
	}
	return events, cursor
}

func tryReadFrom(ctx context.Context, transport synckit.PagedTransport, since string, limit int) ([]synckit.EventWithVersion, string, error) {
	var all []synckit.EventWithVersion
	for {
		page, err := transport.PullPage(ctx, since, limit)
		if err != nil {
			return nil, "", err
		}
		if len(page.Events) > limit {
			return nil, "", fmt.Errorf("a page of %d events, where the limit is %d", len(page.Events), limit)
		}
		if page.Cursor == "" {
			return nil, "", fmt.Errorf("a page without cursor")
		}
		all = append(all, page.Events...)
		since = page.Cursor
		if !page.More {
			return all, since, nil
		}
	}
}

// expect checks that events arrived: all, in order, each once, as they were sent.
func expect(t *testing.T, got, want []synckit.EventWithVersion) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %d events, want %d", len(got), len(want))
	}
	for i := range want {
		expectSame(t, got[i].Event, want[i].Event)
	}
}

func expectSame(t *testing.T, got, want synckit.Event) {
	t.Helper()
	if g, w := encode(t, got), encode(t, want); !g.Same(w) {
		t.Errorf("got %s, want %s", show(g), show(w))
	}
}

func encode(t *testing.T, e synckit.Event) synckit.EncodedEvent {
	t.Helper()
	encoded, err := synckit.Encode(e)
	if err != nil {
		t.Fatalf("encode %q: %v", e.ID(), err)
	}
	return encoded
}

func show(e synckit.EncodedEvent) string {
	return fmt.Sprintf("%q %q %q %.200s %.200s", e.ID, e.Type, e.AggregateID, e.Data, e.Metadata)
}
