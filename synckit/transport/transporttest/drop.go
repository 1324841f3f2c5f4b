package transporttest

import (
	"testing"

	"syncline/synckit"
	"syncline/synckit/errors"
)

// drops deletes events at the peer: nobody reads them again, and cursors go on.
func drops(t *testing.T, peer Peer) {
	transport, ok := connect(t, peer).(synckit.DroppingTransport)
	if !ok {
		t.Log("left out, for the transport deletes nothing: its peer drops by itself what was compacted")
		return
	}
	paged := connectPaged(t, peer)
	drop := func(ids ...string) errors.Code {
		t.Helper()
		err := transport.Drop(testContext(t), ids)
		if code := errors.CodeOf(err); err != nil && code != errors.Unsupported {
			t.Fatalf("drop: %v", err)
		}
		return errors.CodeOf(err)
	}
	read := func(at string) (cursor, ids string) {
		t.Helper()
		page, err := paged.PullPage(testContext(t), at, 1000)
		if err != nil || page.More || len(page.Unreadable) > 0 {
			t.Fatalf("pull: %v, more %v, %v", err, page.More, page.Unreadable)
		}
		for _, e := range page.Events {
			ids += " " + e.Event.ID()
		}
		return page.Cursor, ids
	}
	events := thousands(250)
	if err := transport.Push(testContext(t), events[:200]); err != nil {
		t.Fatal(err)
	}
	between, _ := read("")
	if err := transport.Push(testContext(t), events[200:]); err != nil {
		t.Fatal(err)
	}
	var gone []string
	for _, e := range events[:249] {
		gone = append(gone, e.Event.ID())
	}
	if drop(append(gone, "never was")...) == errors.Unsupported {
		t.Log("left out, for the peer deletes nothing")
		return
	}
	last := " " + events[249].Event.ID()
	for range 2 {
		for _, at := range []string{"", between} {
			if _, ids := read(at); ids != last {
				t.Errorf("after a drop there is%s, want%s", ids, last)
			}
		}
		drop(gone...) // again
	}
}
