package transporttest

import (
	"strings"
	"testing"

	"syncline/synckit"
)

// skipsOwn pushes after what was read: where nothing is between, the cursor that comes is
// the one after the events, and where something is, none comes.
func skipsOwn(t *testing.T, peer Peer) {
	transport, ok := connect(t, peer).(synckit.SkippingTransport)
	if !ok {
		t.Fatalf("the transport is no SkippingTransport; say so in Cannot[%q]", Skipping)
	}
	events := thousands(90)
	after := func(at string, events []synckit.EventWithVersion) string {
		t.Helper()
		end, err := transport.PushAfter(testContext(t), at, events)
		if err != nil {
			t.Fatalf("push: %v", err)
		}
		return end
	}
	rest := func(at string) (string, []synckit.EventWithVersion) {
		t.Helper()
		page, err := transport.PullPage(testContext(t), at, 100)
		if err != nil || page.More {
			t.Fatalf("pull: %v, more %v", err, page.More)
		}
		return page.Cursor, page.Events
	}
	at, _ := rest("")
	for _, part := range [][]synckit.EventWithVersion{events[:20], events[20:40]} {
		end := after(at, part)
		if end == "" {
			t.Fatal("it is not told where the push stands")
		}
		at = end
		if next, more := rest(at); len(more) > 0 {
			t.Errorf("%d events after the cursor", len(more))
		} else if next != "" {
			at = next
		}
	}
	push(t, connect(t, peer), events[40:50]...)
	if end := after(at, events[50:60]); end != "" {
		t.Error("what another has pushed between is passed over")
	}
	at, more := rest(at)
	expect(t, more, events[40:60])
	push(t, connect(t, peer), events[60:70]...)
	if end := after(at, events[60:70]); end != "" {
		t.Error("what another has pushed is passed over")
	}
	if end := after(at, events[60:80]); end != "" {
		t.Error("what another has pushed is passed over where a part of it is new")
	}
	_, more = rest(at)
	expect(t, more, events[60:80])
	if end := after("", events[80:]); end != "" {
		t.Error("what was not read is passed over")
	}
}

// skipsNothingOfAnotherLog has a new log grow to just where the old one ended: what others
// have pushed to it is not passed over.
func skipsNothingOfAnotherLog(t *testing.T, peer Peer) {
	transport := connect(t, peer).(synckit.SkippingTransport) // as skipsOwn has found
	events := thousands(60)
	push(t, connect(t, peer), events[:20]...)
	_, at := readFrom(t, transport, "", 100)
	peer.Replace(t)
	expectLost(t, transport, at) // so that it is there again
	push(t, connect(t, peer), events[20:40]...)
	end, err := transport.PushAfter(testContext(t), at, events[40:])
	if err != nil || end != "" {
		t.Errorf("pushed up to %q, %v, though the log is another", end, err)
	}
	expectLost(t, transport, at)
	got, _ := readFrom(t, transport, "", 100)
	expect(t, got, events[20:])
}

// thousands are events of a thousand bytes and more.
func thousands(count int) []synckit.EventWithVersion {
	events := make([]synckit.EventWithVersion, count)
	for i, e := range newEvents(count) {
		events[i].Event = synckit.NewEvent(e.Event.ID(), "Changed", "a", strings.Repeat("x", 1000), nil)
	}
	return events
}
