package wstransport

import (
	"context"
	stderrors "errors"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/transport/internal/live"
)

// follower is a subscription: a follow on the present connection, made anew
// after that broke.
type follower struct {
	transport *Transport
	conn      *connection
	id        int64
	pages     <-chan message
	at        string // where the follow stands
}

// End implements live.Source.
func (f *follower) End(ctx context.Context) (string, error) {
	page, err := f.begin(ctx, "", live.MaxEvents)
	return page.Cursor, err
}

// Next implements live.Source. The limit of a follow is the one that it began with.
func (f *follower) Next(ctx context.Context, cursor string, limit int) (synckit.Page, error) {
	if f.conn == nil || f.at != cursor {
		return f.begin(ctx, cursor, limit)
	}
	if err := f.conn.send(ctx, message{ID: f.id, Next: true}); err != nil {
		f.stop()
		return synckit.Page{}, err
	}
	return f.await(ctx)
}

// begin follows from a cursor on; empty is the end.
func (f *follower) begin(ctx context.Context, cursor string, limit int) (synckit.Page, error) {
	f.stop()
	bound, cancel := context.WithTimeout(ctx, f.transport.options.Timeout)
	defer cancel()
	conn, err := f.transport.connection(bound, "subscribe")
	if err != nil {
		return synckit.Page{}, err
	}
	f.conn = conn
	f.id, f.pages = conn.expect()
	if err := conn.send(bound, message{ID: f.id, Follow: &query{Cursor: cursor, Limit: limit}}); err != nil {
		f.stop()
		return synckit.Page{}, err
	}
	return f.await(ctx)
}

// await waits for a page.
func (f *follower) await(ctx context.Context) (synckit.Page, error) {
	select {
	case m := <-f.pages:
		if m.Fault != nil || m.Page == nil {
			f.stop()
			return synckit.Page{}, m.failure("subscribe")
		}
		f.at = m.Page.Cursor
		return f.transport.decode(ctx, m.Page)
	case <-f.conn.done:
		err := f.conn.err
		f.stop()
		return synckit.Page{}, err
	case <-ctx.Done():
		f.stop()
		return synckit.Page{}, live.Ended(ctx, "subscribe")
	}
}

// stop ends the follow, if there is one.
func (f *follower) stop() {
	if f.conn == nil {
		return
	}
	f.conn.forget(f.id)
	conn, id := f.conn, f.id
	go func() { _ = conn.write(message{ID: id, Stop: true}) }() // or it ends with the connection
	f.conn = nil
}

var errUnaccounted = stderrors.New("the answer does not tell what became of all events")

var errAnswer = stderrors.New("an answer of another kind")

// failure is the error that an answer is.
func (m message) failure(op string) error {
	if m.Fault != nil {
		return m.Fault.Error(op)
	}
	return errors.New(errors.Unsupported, op, errAnswer)
}
