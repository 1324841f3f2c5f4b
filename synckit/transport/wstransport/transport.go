package wstransport

import (
	"context"
	stderrors "errors"
	"strings"
	"sync"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/transport/internal/live"
	"syncline/synckit/transport/internal/wire"
)

// Transport is a client of a Handler. It is safe for concurrent use.
type Transport struct {
	url      string
	options  ClientOptions
	parse    wire.VersionParser
	lifetime *live.Lifetime
	follows  chan struct{} // one token for each subscription

	dialing chan struct{} // holds one token while somebody connects
	mu      sync.Mutex
	conn    *connection // the present one; nil before the first
	more    *Transport  // for subscriptions that a connection has no room for
	running sync.WaitGroup
}

var (
	_ synckit.SkippingTransport = (*Transport)(nil)
	_ synckit.NamedTransport    = (*Transport)(nil)
	_ synckit.CheckingTransport = (*Transport)(nil)
)

// NewTransport makes a client of the handler at a URL such as
// ws://localhost:8080/sync; http and https do as well. It connects when it is
// first used. nil options are the defaults.
func NewTransport(url string, options *ClientOptions) *Transport {
	t := &Transport{
		url:      socketURL(url),
		options:  options.withDefaults(),
		parse:    wire.Parse,
		lifetime: live.NewLifetime(),
		follows:  make(chan struct{}, maxFollows),
		dialing:  make(chan struct{}, 1),
	}
	if t.options.Parser != nil {
		t.parse = wire.VersionParser(t.options.Parser).OrOwn
	}
	return t
}

func socketURL(url string) string {
	if rest, ok := strings.CutPrefix(url, "http"); ok {
		return "ws" + rest
	}
	return url
}

// Peer implements synckit.NamedTransport: the URL.
func (t *Transport) Peer() string { return t.url }

// Close implements synckit.Transport: calls that run end with an error.
func (t *Transport) Close() error {
	t.mu.Lock()
	t.lifetime.Close()
	conn, more := t.conn, t.more
	t.mu.Unlock()
	if more != nil {
		_ = more.Close() // it is always nil
	}
	if conn != nil {
		conn.close()
	}
	t.running.Wait()
	return nil
}

// Push implements synckit.Transport. A large push goes in several messages.
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
	conn, err := t.connection(ctx, "push")
	if err != nil {
		outcome.Err = err
		return wire.Result(outcome)
	}
	sound := conn.refuseTooLarge(encoded, outcome)
	size := min(t.options.MaxPushBytes, conn.hello.MaxMessageBytes-envelope)
	for _, part := range wire.Split(sound, conn.hello.MaxEvents, size) {
		wire.Merge(outcome, t.pushPart(ctx, part, at))
		if outcome.Err != nil {
			break
		}
	}
	return wire.Result(outcome)
}

// Check implements synckit.CheckingTransport. The server's limit is known once there was a
// connection.
func (t *Transport) Check(_ context.Context, event synckit.EventWithVersion) error {
	encoded, err := wire.Encode(event)
	if err != nil {
		return err
	}
	t.mu.Lock()
	newest := t.conn
	t.mu.Unlock()
	if newest == nil {
		return errors.New(errors.Unavailable, "check", stderrors.New("there was no connection yet"))
	}
	return newest.checkSize(encoded)
}

func (t *Transport) pushPart(ctx context.Context, events []wire.Event, at *wire.Place) *synckit.PushError {
	answer, err := t.ask(ctx, "push", message{Push: &push{Events: events, After: at.Asked()}})
	if err != nil {
		return &synckit.PushError{Err: err}
	}
	at.Move(answer.Pushed.Cursor)
	outcome := answer.Pushed.Outcome()
	if outcome.Err == nil && len(outcome.Stored)+len(outcome.Refused) < len(events) {
		outcome.Err = errors.New(errors.Internal, "push", errUnaccounted)
	}
	return outcome
}

// Pull implements synckit.Transport. It reads all there is, page by page.
func (t *Transport) Pull(ctx context.Context, since synckit.Version) ([]synckit.EventWithVersion, error) {
	var q query
	if since != nil && !since.IsZero() {
		q.Since = since.String()
	}
	var all []synckit.EventWithVersion
	for {
		page, err := t.page(ctx, q)
		all = append(all, page.Events...)
		if err != nil || !page.More || page.Cursor == "" {
			return all, err
		}
		q.Cursor = page.Cursor
	}
}

// PullPage implements synckit.PagedTransport. The server bounds a page's size, so
// it may be shorter than limit though there is more.
func (t *Transport) PullPage(ctx context.Context, since string, limit int) (synckit.Page, error) {
	return t.page(ctx, query{Cursor: since, Limit: max(limit, 1)})
}

func (t *Transport) page(ctx context.Context, q query) (synckit.Page, error) {
	answer, err := t.ask(ctx, "pull", message{Pull: &q})
	if err != nil {
		return synckit.Page{}, err
	}
	return t.decode(ctx, answer.Page)
}

func (t *Transport) decode(ctx context.Context, p *page) (synckit.Page, error) {
	decoded, err := wire.DecodeAll(ctx, p.Events, t.parse)
	decoded.Cursor, decoded.More = p.Cursor, p.More
	return decoded, err
}

// Subscribe implements synckit.Transport. It blocks until ctx ends, and connects
// again after failures that pass, from where it was. handler is called without
// events whenever it has begun to listen, then with what comes. A server takes up to
// 16 subscriptions on one connection; each 16 more have another one.
func (t *Transport) Subscribe(ctx context.Context, handler func([]synckit.EventWithVersion) error) error {
	ctx, release, err := t.lifetime.Begin(ctx, "subscribe")
	if err != nil {
		return err
	}
	defer release()
	select {
	case t.follows <- struct{}{}:
		defer func() { <-t.follows }()
	default:
		more, err := t.further()
		if err != nil {
			return err
		}
		return more.Subscribe(ctx, handler)
	}
	f := &follower{transport: t}
	defer f.stop()
	return live.Follow(ctx, f, handler)
}

// further is a transport to the same peer, with a connection of its own.
func (t *Transport) further() (*Transport, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.lifetime.Err(); err != nil {
		return nil, err
	}
	if t.more == nil {
		options := t.options
		t.more = NewTransport(t.url, &options)
	}
	return t.more, nil
}
