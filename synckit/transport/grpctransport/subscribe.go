package grpctransport

import (
	"context"
	"fmt"
	"io"
	"math"
	"time"

	"connectrpc.com/connect"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/transport/grpctransport/synckitpb"
	"syncline/synckit/transport/internal/live"
	"syncline/synckit/transport/internal/wire"
)

// Subscribe implements synckit.Transport. It blocks until ctx ends, and calls
// again after failures that pass, from where it was. handler is called without
// events whenever it has begun to listen, then with what comes. While handler works
// the server waits, and sends no more than the connection's window has room for.
func (t *Transport) Subscribe(ctx context.Context, handler func([]synckit.EventWithVersion) error) error {
	ctx, release, err := t.lifetime.Begin(ctx, "subscribe")
	if err != nil {
		return err
	}
	defer release()
	f := &follower{transport: t}
	defer f.stop()
	return live.Follow(ctx, f, handler)
}

// follower reads one stream, and begins another after that broke.
type follower struct {
	transport *Transport
	at        string // where the stream stands
	stream    *connect.ServerStreamForClient[synckitpb.FollowResponse]
	ctx       context.Context // of the stream
	alive     *time.Timer     // ends a stream that is silent
	cancel    context.CancelCauseFunc
}

// End implements live.Source.
func (f *follower) End(ctx context.Context) (string, error) {
	page, err := f.begin(ctx, &synckitpb.FollowRequest{From: &synckitpb.FollowRequest_End{End: true}, Limit: live.MaxEvents})
	return page.Cursor, err
}

// Next implements live.Source. The limit of a stream is the one that it began with.
func (f *follower) Next(ctx context.Context, cursor string, limit int) (synckit.Page, error) {
	if f.stream != nil && f.at == cursor {
		return f.read()
	}
	return f.begin(ctx, &synckitpb.FollowRequest{From: &synckitpb.FollowRequest_Cursor{Cursor: cursor}, Limit: int32(min(limit, math.MaxInt32))})
}

func (f *follower) stop() {
	if f.stream == nil {
		return
	}
	f.alive.Stop()
	f.cancel(nil)
	_ = f.stream.Close() // what is left of it is of no use
	f.stream = nil
}

// begin opens a stream and reads its first message.
func (f *follower) begin(ctx context.Context, request *synckitpb.FollowRequest) (synckit.Page, error) {
	f.stop()
	silence := f.transport.options.Silence
	ctx, cancel := context.WithCancelCause(ctx)
	silent := errors.New(errors.Timeout, "subscribe", fmt.Errorf("no sign of life for %v", silence))
	alive := time.AfterFunc(silence, func() { cancel(silent) })
	stream, err := f.transport.service.Follow(ctx, connect.NewRequest(request))
	if err != nil {
		defer cancel(nil)
		alive.Stop()
		return synckit.Page{}, failed(ctx, err)
	}
	f.stream, f.ctx, f.alive, f.cancel = stream, ctx, alive, cancel
	return f.read()
}

// read waits for the next message.
func (f *follower) read() (synckit.Page, error) {
	f.alive.Reset(f.transport.options.Silence)
	received := f.stream.Receive()
	f.alive.Stop() // while somebody works on it, the line is not listened to
	if !received {
		err := f.stream.Err()
		if err == nil {
			err = errors.New(errors.Unavailable, "subscribe", io.ErrUnexpectedEOF)
		}
		err = failed(f.ctx, err)
		f.stop()
		return synckit.Page{}, err
	}
	message := f.stream.Msg()
	if message.GetCursor() == "" {
		f.stop()
		return synckit.Page{}, errors.New(errors.Unsupported, "subscribe", fmt.Errorf("the message does not tell where to go on"))
	}
	page, err := wire.DecodeAll(f.ctx, decodeEach(message.GetEvents()), f.transport.parse)
	if err != nil {
		err = failed(f.ctx, err)
		f.stop()
		return synckit.Page{}, err
	}
	page.Cursor, f.at = message.GetCursor(), message.GetCursor()
	return page, nil
}

// failed is why a stream ended: what ended its context, or else err.
func failed(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if err = failure("subscribe", err); errors.CodeOf(err) != "" {
		return err
	}
	return errors.New(errors.Unavailable, "subscribe", err)
}
