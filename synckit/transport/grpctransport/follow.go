package grpctransport

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"connectrpc.com/connect"

	"syncline/synckit/errors"
	"syncline/synckit/transport/grpctransport/synckitpb"
	"syncline/synckit/transport/internal/peerlog"
)

// Follow implements the service.
func (s service) Follow(ctx context.Context, r *connect.Request[synckitpb.FollowRequest], to *connect.ServerStream[synckitpb.FollowResponse]) error {
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		return status(errors.New(errors.Unavailable, "follow", fmt.Errorf("there are %d streams", cap(s.streams))))
	}
	f := &follow{service: s, to: to, query: peerlog.Query{Cursor: r.Msg.GetCursor(), Limit: s.limit(r.Msg.GetLimit())}}
	f.control, _ = ctx.Value(controlKey{}).(*http.ResponseController)
	f.deadline(0)
	err := f.begin(ctx, r.Msg.GetEnd())
	for err == nil {
		err = f.next(ctx)
	}
	f.deadline(s.options.RequestTimeout) // for what is still written at the end
	if ctx.Err() != nil {
		return status(errors.New(errors.Unavailable, "follow", context.Cause(ctx)))
	}
	if errors.CodeOf(err) == errors.Closed {
		return status(err)
	}
	return s.failed("follow", err)
}

// follow is a stream.
type follow struct {
	service
	to      *connect.ServerStream[synckitpb.FollowResponse]
	control *http.ResponseController
	query   peerlog.Query
}

// deadline bounds what is written from now on; 0: it does not. Of what the client sends
// nothing is awaited any more.
func (f *follow) deadline(after time.Duration) {
	if f.control == nil {
		return
	}
	at := time.Time{} // HTTP/2 ends a stream whose deadline passes, also if there is nothing to write
	if after > 0 {
		at = time.Now().Add(after)
	}
	_ = f.control.SetReadDeadline(time.Time{}) // what cannot do it has its own limits
	_ = f.control.SetWriteDeadline(at)
}

// begin tells the client where the stream stands.
func (f *follow) begin(ctx context.Context, end bool) (err error) {
	bound, cancel := context.WithTimeout(ctx, f.options.RequestTimeout)
	defer cancel()
	if end {
		f.query.Cursor, err = f.log.End(bound)
	} else {
		probe := f.query // whether the cursor is of this log
		probe.Limit = 1
		var page peerlog.Page
		if page, err = f.log.Page(bound, probe); err == nil && len(page.Items) == 0 {
			f.query.Cursor = page.Cursor
		}
	}
	if err != nil {
		return err
	}
	return f.send(nil)
}

// next sends one page, or, where there is nothing new for a while, a sign of life. It
// waits without holding a page.
func (f *follow) next(ctx context.Context) error {
	select {
	case <-f.log.Closed():
		return errors.New(errors.Closed, "follow", nil)
	default:
	}
	one := f.query
	one.Limit = 1
	found, err := f.log.Next(ctx, one, f.options.Heartbeat)
	if err != nil {
		return err
	}
	if len(found.Items) == 0 {
		f.query.Cursor = found.Cursor
		return f.send(nil)
	}
	events, err := f.page(ctx)
	if err != nil {
		return err
	}
	return f.send(events)
}

// page reads what comes next, in its turn. The turn ends before anything is sent: a client
// that does not read holds up nobody else.
func (f *follow) page(ctx context.Context) ([][]byte, error) {
	leave, err := f.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	bound, cancel := context.WithTimeout(ctx, f.options.RequestTimeout)
	defer cancel()
	page, err := f.log.Page(bound, f.query)
	if err != nil {
		return nil, err
	}
	if page.Cursor == "" {
		return nil, errors.New(errors.Unsupported, "follow", fmt.Errorf("the store cannot tell where a reader stands"))
	}
	events, err := f.encode(page)
	if err != nil {
		return nil, err
	}
	f.query.Cursor = page.Cursor
	return events, nil
}

// send waits until the client has taken what went before, as HTTP/2 has it.
func (f *follow) send(events [][]byte) error {
	f.deadline(f.options.RequestTimeout)
	defer f.deadline(0)
	if err := f.to.Send(&synckitpb.FollowResponse{Events: events, Cursor: f.query.Cursor}); err != nil {
		return errors.New(errors.Unavailable, "follow", err)
	}
	return nil
}
