package synclinetransport

import (
	"context"

	"syncline/client"
	"syncline/synckit"
)

// end is a cursor after all that the owner had at a head.
type end struct {
	cursor string
	head   client.Revision
}

// landing is which revisions a push took.
type landing struct {
	head    client.Revision // before it
	taken   int
	between bool // somebody else took one among them, or a record was there already
	bytes   int
}

func (l *landing) add(written []client.Written) {
	for _, w := range written {
		l.taken++
		l.between = l.between || w.Replayed || w.Revision != l.head+client.Revision(l.taken)
		if w.Record != nil {
			l.bytes += len(w.Record.Data)
		}
	}
}

// worthAsking is how many bytes of own events are more to read back than two more requests
// cost.
const worthAsking = 8 << 10

// PushAfter implements synckit.SkippingTransport. It knows of the newest page that was the
// last of its walk, and tells of pushes above 8 KiB only: where they end costs two requests.
func (t *Transport) PushAfter(ctx context.Context, cursor string, events []synckit.EventWithVersion) (string, error) {
	t.mu.Lock()
	before := t.read
	t.mu.Unlock()
	l := &landing{head: before.head}
	err := t.push(ctx, events, l)
	if err != nil || before.cursor == "" || before.cursor != cursor || l.between || l.taken != len(events) || l.bytes < worthAsking {
		return "", err
	}
	var now client.Viewer
	failed := t.call(ctx, "push", func(ctx context.Context) (err error) {
		if now, err = t.client.Viewer(ctx); err == nil { // then whether all that was in the history of the cursor
			_, err = t.client.Changes(ctx, client.Cursor(cursor), 1)
		}
		return err
	})
	if failed != nil || now.Head != l.head+client.Revision(l.taken) {
		return "", nil // all was pushed: it is read back then
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.read = end{string(now.Cursor), now.Head}
	return t.read.cursor, nil
}
