package synclinetransport

import (
	"cmp"
	"context"
	"strconv"
	"sync"
	"time"

	"syncline/client"
	"syncline/synckit"
	"syncline/synckit/cursor"
	"syncline/synckit/errors"
	"syncline/synckit/transport/internal/live"
	"syncline/synckit/transport/internal/wire"
)

// VersionParser reads a version's text.
type VersionParser func(ctx context.Context, s string) (synckit.Version, error)

// Options are what is not required. The zero value of each is its default.
type Options struct {
	// Peer names the server for its cursors; empty: "syncline:" and the owner.
	Peer string
	// Parser reads versions; nil: those of this library.
	Parser VersionParser
	// Timeout bounds how long a call is tried if its context does not; 0: 30 s.
	Timeout time.Duration
}

// Transport is a synckit.PagedTransport to an owner's records. It is safe for
// concurrent use.
type Transport struct {
	client   *client.Client
	options  Options
	parse    wire.VersionParser
	lifetime *live.Lifetime

	mu     sync.Mutex
	limits *client.Limits // the server's, once asked
	read   end            // where the newest walk ended
}

var (
	_ synckit.SkippingTransport = (*Transport)(nil)
	_ synckit.NamedTransport    = (*Transport)(nil)
	_ synckit.CheckingTransport = (*Transport)(nil)
	_ synckit.DroppingTransport = (*Transport)(nil)
)

// New makes a transport of a client; nil options are the defaults.
func New(c *client.Client, options *Options) *Transport {
	t := &Transport{client: c, parse: wire.Parse, lifetime: live.NewLifetime()}
	if options != nil {
		t.options = *options
	}
	t.options.Timeout = cmp.Or(t.options.Timeout, 30*time.Second)
	t.options.Peer = cmp.Or(t.options.Peer, "syncline:"+c.Owner().String())
	if t.options.Parser != nil {
		t.parse = wire.VersionParser(t.options.Parser).OrOwn
	}
	return t
}

// Peer implements synckit.NamedTransport.
func (t *Transport) Peer() string { return t.options.Peer }

// Close implements synckit.Transport: calls that run end with an error.
func (t *Transport) Close() error {
	t.lifetime.Close()
	return nil
}

// maxPage bounds the events of a page.
const maxPage = 1000

// PullPage implements synckit.PagedTransport. The server bounds a page's size,
// and other records are left out, so it may be shorter than limit though there is
// more.
func (t *Transport) PullPage(ctx context.Context, since string, limit int) (synckit.Page, error) {
	if since == string(client.Now) {
		return synckit.Page{}, errors.New(errors.InvalidVersion, "pull", nil)
	}
	var feed client.Page
	err := t.call(ctx, "pull", func(ctx context.Context) error {
		var err error
		feed, err = t.client.Changes(ctx, client.Cursor(since), min(max(limit, 1), maxPage))
		return err
	})
	if err != nil {
		return synckit.Page{}, err
	}
	// A pull may lead to decisions, and Check is asked about those. Where the limits do not come
	// it says that it does not know them.
	_, _ = t.serverLimits(ctx)
	if !feed.HasMore {
		t.mu.Lock()
		t.read = end{string(feed.Cursor), feed.Head}
		t.mu.Unlock()
	}
	return t.decode(ctx, feed)
}

// decode reads the events of a page. Anybody who has the key can write records:
// one that is not as it should be does not hold up the others.
func (t *Transport) decode(ctx context.Context, feed client.Page) (synckit.Page, error) {
	page := synckit.Page{Cursor: string(feed.Cursor), More: feed.HasMore}
	for _, r := range feed.Records {
		if !isEvent(r) {
			continue
		}
		e, err := decodeRecord(ctx, r, t.parse)
		switch {
		case err == nil:
			page.Events = append(page.Events, e)
		case ctx.Err() != nil: // the parser may have failed for that
			return synckit.Page{}, live.Ended(ctx, "pull")
		default:
			page.Unreadable = append(page.Unreadable, synckit.Unreadable{Name: r.ID, Event: e.Event, Err: err})
		}
	}
	return page, nil
}

// Pull implements synckit.Transport. It reads all there is, page by page. An
// event that brought no version has its record's revision. Records that cannot
// be read are left out: PullPage tells of them.
func (t *Transport) Pull(ctx context.Context, since synckit.Version) ([]synckit.EventWithVersion, error) {
	at := ""
	if c, ok := since.(cursor.IntegerCursor); ok && !c.IsZero() {
		at, since = strconv.FormatUint(c.Seq, 10), nil // a revision is a cursor, too
	}
	var all []synckit.EventWithVersion
	for {
		page, err := t.PullPage(ctx, at, maxPage)
		all = append(all, page.Events...)
		if err != nil || !page.More {
			return after(all, since), err
		}
		at = page.Cursor
	}
}

// after leaves out what comes before a version, or is it.
func after(events []synckit.EventWithVersion, since synckit.Version) []synckit.EventWithVersion {
	if since == nil || since.IsZero() {
		return events
	}
	var rest []synckit.EventWithVersion
	for i, e := range events {
		if causal, ok := e.Version.(synckit.CausalVersion); ok {
			if order := causal.Order(since); order == synckit.Before || order == synckit.Equal {
				continue
			}
		} else if e.Version.String() == since.String() {
			return events[i+1:]
		}
		rest = append(rest, e)
	}
	return rest
}

// Subscribe implements synckit.Transport. It blocks until ctx ends, and connects
// again by itself, from where it was. handler is called without events whenever
// it has begun to listen, then with what comes.
func (t *Transport) Subscribe(ctx context.Context, handler func([]synckit.EventWithVersion) error) error {
	ctx, release, err := t.lifetime.Begin(ctx, "subscribe")
	if err != nil {
		return err
	}
	defer release()
	var pause live.Backoff
	for {
		err := t.follow(ctx, handler)
		if code := errors.CodeOf(err); code != errors.CursorLost && code != errors.Erased {
			return err
		}
		// The server's data was restored or erased: go on from its new end.
		if err := pause.Wait(ctx, err); err != nil {
			return err
		}
	}
}

func (t *Transport) follow(ctx context.Context, handler func([]synckit.EventWithVersion) error) error {
	for event, err := range t.client.Follow(ctx, client.Now) {
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return failure("subscribe", err)
		case event.Kind == client.CaughtUp:
			err = handler(nil)
		case isEvent(event.Record):
			err = handler(t.hint(ctx, event.Record))
		}
		if err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// hint is what a subscriber is told of a record. What cannot be read is still
// something new: a pull tells what is wrong with it.
func (t *Transport) hint(ctx context.Context, r client.Record) []synckit.EventWithVersion {
	e, err := decodeRecord(ctx, r, t.parse)
	if err != nil {
		return nil
	}
	return []synckit.EventWithVersion{e}
}

// call asks the service, which the client does until ctx ends.
func (t *Transport) call(ctx context.Context, op string, ask func(context.Context) error) error {
	bound, release, err := t.lifetime.Begin(ctx, op)
	if err != nil {
		return err
	}
	defer release()
	limited, cancel := context.WithTimeout(bound, t.options.Timeout)
	defer cancel()
	if err := ask(limited); err != nil {
		return t.lifetime.Failed(ctx, bound, op, failure(op, err))
	}
	return nil
}
