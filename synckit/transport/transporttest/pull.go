package transporttest

import (
	"context"
	stderrors "errors"
	"slices"
	"sync"
	"testing"
	"time"

	"syncline/synckit"
	"syncline/synckit/cursor"
	"syncline/synckit/errors"
)

func pullsAfterVersion(t *testing.T, peer Peer) {
	transport, events := connect(t, peer), newEvents(5)
	push(t, transport, events[:2]...)
	first, err := transport.Pull(testContext(t), cursor.IntegerCursor{})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, first, events[:2])
	push(t, transport, events[2:]...)
	rest, err := transport.Pull(testContext(t), first[1].Version)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, rest, events[2:])
}

func pages(t *testing.T, peer Peer) {
	transport, events := connectPaged(t, peer), newEvents(10)
	got, end := readFrom(t, transport, "", 3)
	if len(got) != 0 {
		t.Errorf("an empty log has %v", ids(got))
	}
	push(t, transport, events[:8]...)
	for _, limit := range []int{1, 3, 8, 100} {
		got, at := readFrom(t, transport, "", limit)
		expect(t, got, events[:8])
		again, _ := readFrom(t, transport, at, limit)
		expect(t, again, nil)
	}
	page, err := transport.PullPage(testContext(t), "", 4)
	if err != nil || !page.More || len(page.Events) != 4 {
		t.Fatalf("%d events, more: %v, %v", len(page.Events), page.More, err)
	}
	push(t, transport, events[8:]...)
	got, _ = readFrom(t, transport, page.Cursor, 2)
	expect(t, got, events[4:])
	got, _ = readFrom(t, transport, end, 100)
	expect(t, got, events)
}

// pagesWhileWriting reads while several write. What appears must do so after all
// that was read: a reader that skips an event never comes back for it.
func pagesWhileWriting(t *testing.T, peer Peer) {
	const writers, pushes, batch = 4, 10, 5
	var writing sync.WaitGroup
	written := make(chan struct{})
	for range writers {
		transport, events := connect(t, peer), newEvents(pushes*batch)
		writing.Go(func() {
			for part := range slices.Chunk(events, batch) {
				if err := transport.Push(testContext(t), part); err != nil {
					t.Errorf("Push: %v", err)
				}
			}
		})
	}
	go func() { writing.Wait(); close(written) }()

	transport, ctx := connectPaged(t, peer), testContext(t)
	var got []string
	at := ""
	for done := false; ; {
		events, next, err := tryReadFrom(ctx, transport, at, 7)
		if err != nil {
			t.Fatal(err)
		}
		got, at = append(got, ids(events)...), next
		if done {
			break
		}
		select {
		case <-written:
			done = true // once more, for what came after the last page
		default:
		}
	}
	if all := ids(readAll(t, transport)); !slices.Equal(got, all) || len(all) != writers*pushes*batch {
		t.Errorf("read %d events on the way, %d afterwards, of %d", len(got), len(all), writers*pushes*batch)
	}
}

func resumesElsewhere(t *testing.T, peer Peer) {
	events := newEvents(6)
	first := connectPaged(t, peer)
	push(t, first, events[:4]...)
	page, err := first.PullPage(testContext(t), "", 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := connectPaged(t, peer)
	push(t, second, events[4:]...)
	got, _ := readFrom(t, second, page.Cursor, 100)
	expect(t, got, events[2:])
}

func resumesAfterRestart(t *testing.T, peer Peer) {
	transport, events := connectPaged(t, peer), newEvents(6)
	push(t, transport, events[:4]...)
	page, err := transport.PullPage(testContext(t), "", 2)
	if err != nil {
		t.Fatal(err)
	}
	peer.Stop(t)
	peer.Start(t)
	pushSoon(t, transport, events[4:]...)
	got, _ := readFrom(t, transport, page.Cursor, 100)
	expect(t, got, events[2:])
}

func losesCursor(t *testing.T, peer Peer) {
	transport, events := connectPaged(t, peer), newEvents(4)
	push(t, transport, events...)
	_, at := readFrom(t, transport, "", 100)
	peer.Replace(t)
	expectLost(t, transport, at) // while the new log is empty
	others := newEvents(6)
	push(t, transport, others...)
	expectLost(t, transport, at) // when it has grown past the cursor
	got, _ := readFrom(t, transport, "", 100)
	expect(t, got, others)
}

// expectLost reads until the peer, which may have been away, answers.
func expectLost(t *testing.T, transport synckit.PagedTransport, at string) {
	t.Helper()
	ctx := testContext(t)
	page, err := transport.PullPage(ctx, at, 100)
	for err != nil && errors.IsRetryable(err) && ctx.Err() == nil {
		page, err = transport.PullPage(ctx, at, 100)
	}
	if errors.CodeOf(err) != errors.CursorLost {
		t.Errorf("got %d events and %v, want %s", len(page.Events), err, errors.CursorLost)
	}
}

func refusesBadCursors(t *testing.T, peer Peer) {
	transport := connectPaged(t, peer)
	push(t, transport, newEvents(2)...)
	_, at := readFrom(t, transport, "", 100)
	for _, bad := range []string{"nonsense", "\x00", "a.b.c", at + "x", "x" + at, "<&>", at[:len(at)/2]} {
		page, err := transport.PullPage(testContext(t), bad, 10)
		if err == nil || errors.IsRetryable(err) {
			t.Errorf("cursor %q: %d events, %v; want an error for good", bad, len(page.Events), err)
		}
	}
	if again, _ := readFrom(t, transport, at, 10); len(again) != 0 {
		t.Errorf("got %v", ids(again))
	}
}

func heedsContext(t *testing.T, peer Peer) {
	transport := connect(t, peer)
	push(t, transport, newEvents(1)...)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	for what, call := range calls(transport) {
		if err := call(ended); !stderrors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want %v", what, err, context.Canceled)
		}
		if err := call(late); !stderrors.Is(err, context.DeadlineExceeded) || !errors.IsRetryable(err) {
			t.Errorf("%s: got %v, want %v", what, err, context.DeadlineExceeded)
		}
	}
}

func closes(t *testing.T, peer Peer) {
	transport := connect(t, peer)
	push(t, transport, newEvents(1)...)
	for range 2 {
		if err := transport.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	for what, call := range calls(transport) {
		if err := call(testContext(t)); errors.CodeOf(err) != errors.Closed {
			t.Errorf("%s: got %v, want %s", what, err, errors.Closed)
		}
	}
}

// calls are all that can be asked of a transport.
func calls(transport synckit.Transport) map[string]func(context.Context) error {
	all := map[string]func(context.Context) error{
		"Push": func(ctx context.Context) error { return transport.Push(ctx, newEvents(1)) },
		"Pull": func(ctx context.Context) error {
			_, err := transport.Pull(ctx, nil)
			return err
		},
		"Subscribe": func(ctx context.Context) error {
			return transport.Subscribe(ctx, func([]synckit.EventWithVersion) error { return nil })
		},
	}
	if paged, ok := transport.(synckit.PagedTransport); ok {
		all["PullPage"] = func(ctx context.Context) error {
			_, err := paged.PullPage(ctx, "", 10)
			return err
		}
	}
	return all
}

// foreign is a version of another app.
type foreign string

func (foreign) Compare(synckit.Version) int { return 0 }
func (v foreign) String() string            { return string(v) }
func (foreign) IsZero() bool                { return false }

// readsAround reads the events around one that cannot be read, and is told of that
// one, if the transport cannot read it.
func readsAround(t *testing.T, peer Peer) {
	transport, events := connectPaged(t, peer), newEvents(3)
	push(t, transport, events[0])
	events[1].Version = foreign("foreign: 1")
	peer.Inject(t, events[1])
	push(t, transport, events[2])
	for range 2 { // it stands there for ever
		page, err := transport.PullPage(testContext(t), "", 100)
		if err != nil {
			t.Fatalf("PullPage: %v", err)
		}
		if len(page.Events) == 3 {
			continue
		}
		expect(t, page.Events, []synckit.EventWithVersion{events[0], events[2]})
		if len(page.Unreadable) != 1 || page.Unreadable[0].Err == nil || page.Unreadable[0].Name == "" ||
			page.Unreadable[0].Event == nil || page.Unreadable[0].Event.ID() != events[1].Event.ID() {
			t.Fatalf("unreadable: %+v", page.Unreadable)
		}
	}
}
