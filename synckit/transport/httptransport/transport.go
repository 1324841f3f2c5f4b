package httptransport

import (
	"context"
	stderrors "errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/transport/internal/live"
	"syncline/synckit/transport/internal/wire"
)

// Transport is a client of a SyncHandler, or of any server of the documented API.
// It is safe for concurrent use.
type Transport struct {
	base     string
	client   *http.Client
	parse    wire.VersionParser
	options  ClientOptions
	lifetime *live.Lifetime
	release  func() // of what it made itself
}

var (
	_ synckit.SkippingTransport = (*Transport)(nil)
	_ synckit.NamedTransport    = (*Transport)(nil)
)

// NewTransport makes a client of the server at a URL such as
// http://localhost:8080. It does not connect yet. A nil client is one of its own,
// a nil parser reads the versions of this library, nil options are the defaults.
// What authenticates requests belongs into the client's Transport.
func NewTransport(baseURL string, client *http.Client, parser VersionParser, options *ClientOptions) *Transport {
	t := &Transport{
		base:     strings.TrimRight(baseURL, "/"),
		client:   client,
		parse:    wire.Parse,
		options:  options.withDefaults(),
		lifetime: live.NewLifetime(),
		release:  func() {},
	}
	if parser != nil {
		t.parse = wire.VersionParser(parser).OrOwn
	}
	if client == nil {
		t.client = ownClient()
		t.release = t.client.CloseIdleConnections
	}
	if patience := t.client.Timeout; patience > 0 { // else each live request without news would fail
		t.options.LiveWait = min(t.options.LiveWait, patience/2)
	}
	return t
}

func init() {
	synckit.OfferTransport("http", func(url string) (synckit.Transport, error) { return Open(url, nil, nil, nil) })
}

// Open is NewTransport for a URL that may be wrong: that is an error of code
// InvalidOptions at once. NewTransport's client fails with it at each call.
func Open(baseURL string, client *http.Client, parser VersionParser, options *ClientOptions) (*Transport, error) {
	u, err := url.Parse(baseURL)
	if err == nil && (u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "") {
		err = fmt.Errorf("%.200q is not like http://localhost:8080", baseURL)
	}
	if err != nil {
		return nil, errors.New(errors.InvalidOptions, "open transport", err)
	}
	return NewTransport(baseURL, client, parser, options), nil
}

func ownClient() *http.Client {
	if shared, ok := http.DefaultTransport.(*http.Transport); ok {
		return &http.Client{Transport: shared.Clone()}
	}
	return &http.Client{}
}

// Peer implements synckit.NamedTransport: the URL.
func (t *Transport) Peer() string { return t.base }

// Close implements synckit.Transport: calls that run end with an error.
func (t *Transport) Close() error {
	t.lifetime.Close()
	t.release()
	return nil
}

// Pull implements synckit.Transport. It reads all there is, page by page.
func (t *Transport) Pull(ctx context.Context, since synckit.Version) ([]synckit.EventWithVersion, error) {
	values := url.Values{}
	if since != nil && !since.IsZero() {
		values.Set("since", since.String())
	}
	var all []synckit.EventWithVersion
	for {
		page, err := t.get(ctx, values, 0)
		all = append(all, page.Events...)
		if err != nil || !page.More || page.Cursor == "" {
			return all, err
		}
		values.Set("cursor", page.Cursor)
	}
}

// sincePrefix marks the cursors that this side makes for a server that has none.
const sincePrefix = "since:"

// PullPage implements synckit.PagedTransport. The server bounds a page's size, so
// it may be shorter than limit though there is more.
func (t *Transport) PullPage(ctx context.Context, since string, limit int) (synckit.Page, error) {
	limit = max(limit, 1)
	values := pageValues(since, limit)
	page, err := t.get(ctx, values, 0)
	if err == nil && page.Cursor == "" {
		page = pageByVersion(page, since, limit)
	}
	return page, err
}

// pageByVersion makes a page of what a server answered that knows of no pages. A
// page ends only where the version leads on: to read on after one that several
// events have would skip some of them, and one that is none leads nowhere.
func pageByVersion(page synckit.Page, since string, limit int) synckit.Page {
	events := page.Events
	for i, e := range events {
		if since != "" && cursorAfter(e) == since { // the server does not heed it
			page.Events = events[i+1:]
		}
	}
	events = page.Events
	page.Cursor, page.More = since, false
	for i, e := range events {
		at := cursorAfter(e)
		if at == "" {
			continue
		}
		page.Cursor = at
		if i+1 >= limit && i+1 < len(events) && at != cursorAfter(events[i+1]) {
			page.Events, page.More = events[:i+1], true
			break
		}
	}
	return page
}

// cursorAfter is a cursor by an event's version; empty if that is none.
func cursorAfter(e synckit.EventWithVersion) string {
	if e.Version == nil || e.Version.IsZero() {
		return ""
	}
	return sincePrefix + e.Version.String()
}

// Subscribe implements synckit.Transport. It blocks until ctx ends, and connects
// again after failures that pass, from where it was. handler is called without
// events whenever it has begun to listen, then with what comes.
func (t *Transport) Subscribe(ctx context.Context, handler func([]synckit.EventWithVersion) error) error {
	ctx, release, err := t.lifetime.Begin(ctx, "subscribe")
	if err != nil {
		return err
	}
	defer release()
	return live.Follow(ctx, (*source)(t), handler)
}

// source is a transport as Follow reads it.
type source Transport

var errNoLive = stderrors.New("the server does not tell of what is new")

func (s *source) End(ctx context.Context) (string, error) {
	page, err := (*Transport)(s).get(ctx, url.Values{"from": {"end"}}, 0)
	if err == nil && page.Cursor == "" {
		err = errors.New(errors.Unsupported, "subscribe", errNoLive)
	}
	return page.Cursor, err
}

func (s *source) Next(ctx context.Context, cursor string, limit int) (synckit.Page, error) {
	t := (*Transport)(s)
	page, err := t.get(ctx, pageValues(cursor, limit), t.options.LiveWait)
	if err == nil && page.Cursor == "" {
		err = errors.New(errors.Unsupported, "subscribe", errNoLive)
	}
	return page, err
}
