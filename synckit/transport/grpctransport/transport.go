package grpctransport

import (
	"context"
	stderrors "errors"
	"math"
	"net/http"
	"strings"
	"time"

	"connectrpc.com/connect"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/transport/grpctransport/synckitpb"
	"syncline/synckit/transport/grpctransport/synckitpb/synckitpbconnect"
	"syncline/synckit/transport/internal/live"
	"syncline/synckit/transport/internal/wire"
)

// Transport is a client of a Server. It is safe for concurrent use.
type Transport struct {
	url      string
	options  ClientOptions
	service  synckitpbconnect.SyncServiceClient
	parse    wire.VersionParser
	lifetime *live.Lifetime
	idle     func() // closes idle connections that are the transport's own
}

var (
	_ synckit.SkippingTransport = (*Transport)(nil)
	_ synckit.NamedTransport    = (*Transport)(nil)
)

// NewTransport makes a client of the server at a URL such as https://localhost:8443; with
// http it speaks HTTP/2 without TLS. It connects when it is first used. nil options are
// the defaults.
func NewTransport(url string, options *ClientOptions) *Transport {
	t := &Transport{
		url: strings.TrimRight(url, "/"), options: options.withDefaults(),
		parse: wire.Parse, lifetime: live.NewLifetime(), idle: func() {},
	}
	if t.options.Parser != nil {
		t.parse = wire.VersionParser(t.options.Parser).OrOwn
	}
	client := t.options.HTTPClient
	if client == nil {
		own := newHTTP2()
		client, t.idle = &http.Client{Transport: own}, own.CloseIdleConnections
	}
	all := append([]connect.ClientOption{connect.WithGRPC(), connect.WithReadMaxBytes(t.options.MaxMessageBytes)}, t.options.Connect...)
	t.service = synckitpbconnect.NewSyncServiceClient(client, t.url, all...)
	return t
}

// How long a connection may be silent before the server is asked for a sign of life, and how
// long that may take.
const (
	pingAfter   = 20 * time.Second
	pingTimeout = 10 * time.Second
)

func newHTTP2() *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, Protocols: protocols, IdleConnTimeout: 90 * time.Second,
		HTTP2: &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
	}
}

// Peer implements synckit.NamedTransport: the URL.
func (t *Transport) Peer() string { return t.url }

// Close implements synckit.Transport: calls that run end with an error.
func (t *Transport) Close() error {
	t.lifetime.Close()
	t.idle()
	return nil
}

// Push implements synckit.Transport. A large push goes in several calls.
func (t *Transport) Push(ctx context.Context, events []synckit.EventWithVersion) error {
	return t.push(ctx, events, nil)
}

// PushAfter implements synckit.SkippingTransport.
func (t *Transport) PushAfter(ctx context.Context, cursor string, events []synckit.EventWithVersion) (end string, err error) {
	at := wire.Place{Cursor: cursor, Known: true}
	err = t.push(ctx, events, &at)
	return at.End(err), err
}

// push moves a place on, if there is one, with each part.
func (t *Transport) push(ctx context.Context, events []synckit.EventWithVersion, at *wire.Place) error {
	encoded, outcome := wire.EncodeAll(events)
	parts := wire.Split(encoded, t.options.MaxPushEvents, t.options.MaxPushBytes)
	for _, part := range parts {
		wire.Merge(outcome, t.pushPart(ctx, part, at))
		if outcome.Err != nil {
			break
		}
	}
	if len(parts) == 0 {
		outcome.Err = t.lifetime.Err()
	}
	return wire.Result(outcome)
}

// pushPart makes one call, or more where the server finds it too large.
func (t *Transport) pushPart(ctx context.Context, events []wire.Event, at *wire.Place) *synckit.PushError {
	request := &synckitpb.PushRequest{Events: allToProto(events), After: at.Asked()}
	var answer *synckitpb.PushResponse
	err := t.call(ctx, "push", func(ctx context.Context) error {
		response, err := t.service.Push(ctx, connect.NewRequest(request))
		if err == nil {
			answer = response.Msg
		}
		return err
	})
	switch {
	case errors.CodeOf(err) == errors.TooLarge && len(events) > 1:
		half := len(events) / 2
		outcome := t.pushPart(ctx, events[:half], at)
		if outcome.Err == nil {
			wire.Merge(outcome, t.pushPart(ctx, events[half:], at))
		}
		return outcome
	case errors.CodeOf(err) == errors.TooLarge:
		outcome := &synckit.PushError{}
		wire.Refuse(outcome, events[0].Event.ID, err)
		return outcome
	case err != nil:
		return &synckit.PushError{Err: err}
	}
	told := answerFromProto(answer)
	at.Move(told.Cursor)
	outcome := told.Outcome()
	if outcome.Err == nil && len(outcome.Stored)+len(outcome.Refused) < len(events) {
		outcome.Err = errors.New(errors.Internal, "push", errUnaccounted)
	}
	return outcome
}

var errUnaccounted = stderrors.New("the answer does not tell what became of all events")

// call makes a call within its time.
func (t *Transport) call(ctx context.Context, op string, call func(ctx context.Context) error) error {
	bound, release, err := t.lifetime.Begin(ctx, op)
	if err != nil {
		return err
	}
	defer release()
	bound, cancel := context.WithTimeout(bound, t.options.Timeout)
	defer cancel()
	if err := call(bound); err != nil {
		return t.lifetime.Failed(ctx, bound, op, failure(op, err))
	}
	return nil
}

// Pull implements synckit.Transport. It reads all there is, page by page.
func (t *Transport) Pull(ctx context.Context, since synckit.Version) ([]synckit.EventWithVersion, error) {
	request := &synckitpb.PullRequest{}
	if since != nil && !since.IsZero() {
		request.Since = since.String()
	}
	var all []synckit.EventWithVersion
	for {
		page, err := t.page(ctx, request)
		all = append(all, page.Events...)
		if err != nil || !page.More || page.Cursor == "" {
			return all, err
		}
		request.Cursor = page.Cursor
	}
}

// PullPage implements synckit.PagedTransport. The server bounds a page's size, so
// it may be shorter than limit though there is more.
func (t *Transport) PullPage(ctx context.Context, since string, limit int) (synckit.Page, error) {
	return t.page(ctx, &synckitpb.PullRequest{Cursor: since, Limit: int32(min(max(limit, 1), math.MaxInt32))})
}

func (t *Transport) page(ctx context.Context, request *synckitpb.PullRequest) (page synckit.Page, err error) {
	err = t.call(ctx, "pull", func(ctx context.Context) error {
		response, err := t.service.Pull(ctx, connect.NewRequest(request))
		if err != nil {
			return err
		}
		page, err = wire.DecodeAll(ctx, decodeEach(response.Msg.GetEvents()), t.parse)
		page.Cursor, page.More = response.Msg.GetCursor(), response.Msg.GetMore()
		return err
	})
	if err != nil {
		return synckit.Page{}, err
	}
	return page, nil
}
