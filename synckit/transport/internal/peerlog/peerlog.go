// Package peerlog serves a store to its peers: it stores what they push, reads
// pages for them, and tells them when there is more.
package peerlog

import (
	"context"
	"sync"
	"time"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/transport/internal/wire"
)

// MaxPageBytes bounds the encodings of a page's events; one event may exceed it
// alone.
const MaxPageBytes = 4 << 20

// pollInterval is how often a store that cannot tell of changes is asked.
const pollInterval = time.Second

// Item is an event of a page.
type Item struct {
	Event   synckit.EncodedEvent
	Version synckit.Version
	Err     error // why there is no more of Event than its ID; else nil
}

func (i Item) encode() (wire.Event, error) {
	if i.Err != nil {
		return wire.Event{}, i.Err
	}
	return wire.New(i.Event, i.Version)
}

// Page is a part of the log. Cursor resumes after it; it is empty where only a
// version can: the last event's, or Query.Since where nothing came after it.
type Page struct {
	Items  []Item
	Cursor string
	More   bool
}

// Encode writes the page's events. skipped is told of those that JSON cannot
// carry: as no other node can have them, they are left out.
func (p Page) Encode(skipped func(error)) []wire.Event {
	events := make([]wire.Event, 0, len(p.Items))
	for _, item := range p.Items {
		e, err := item.encode()
		if err != nil {
			skipped(err)
			continue
		}
		events = append(events, e)
	}
	return events
}

// Query says what to read: up to Limit events after Cursor; empty is the
// beginning.
type Query struct {
	Cursor string
	// Since leaves out what its holder knows; nil: nothing.
	Since synckit.Version
	Limit int
}

// Log is a store as its peers see it. It is safe for concurrent use.
type Log struct {
	store  synckit.EventStore
	pages  pages
	parse  wire.VersionParser
	mu     sync.Mutex
	wake   chan struct{} // closed at the next push
	closed chan struct{}
	once   sync.Once
}

// pages reads a log. A store that is a synckit.Log has an exact way, others the
// best that their interface allows.
type pages interface {
	page(ctx context.Context, q Query) (Page, error)
	// end is the cursor after all that is there now.
	end(ctx context.Context) (string, error)
	// changed is closed when there may be more; nil if it cannot be told.
	changed() <-chan struct{}
}

// New serves a store. parse reads versions; nil: what the store has, or this
// library's.
func New(store synckit.EventStore, parse wire.VersionParser) *Log {
	parse = Parser(store, parse)
	l := &Log{store: store, parse: parse.OrOwn, wake: make(chan struct{}), closed: make(chan struct{})}
	if log, ok := store.(synckit.Log); ok {
		l.pages = &logPages{log: log}
	} else {
		l.pages = &plainPages{store: store, parse: parse.OrOwn}
	}
	return l
}

// Parser is what reads versions for a store: parse, or if that is nil, the
// store's ParseVersion, or this library's.
func Parser(store synckit.EventStore, parse wire.VersionParser) wire.VersionParser {
	if parse != nil {
		return parse
	}
	if own, ok := store.(interface {
		ParseVersion(ctx context.Context, text string) (synckit.Version, error)
	}); ok {
		return own.ParseVersion
	}
	return wire.Parse
}

// Page reads a page. An error of code CursorLost says that the cursor is of
// another log.
func (l *Log) Page(ctx context.Context, q Query) (Page, error) {
	if q.Since != nil && q.Since.IsZero() {
		q.Since = nil
	}
	return l.pages.page(ctx, q)
}

// End is the cursor after all that is there now.
func (l *Log) End(ctx context.Context) (string, error) { return l.pages.end(ctx) }

// Next is Page, but waits for events if there are none. If none come, the page
// is empty. It ends early with an error of code Closed after Close.
func (l *Log) Next(ctx context.Context, q Query, wait time.Duration) (Page, error) {
	late := time.NewTimer(wait)
	defer late.Stop()
	for {
		pushed, changed := l.pushed(), l.pages.changed()
		page, err := l.Page(ctx, q)
		if err != nil || len(page.Items) > 0 {
			return page, err
		}
		q.Cursor = page.Cursor
		var poll <-chan time.Time
		if changed == nil {
			poll = time.After(pollInterval)
		}
		select {
		case <-pushed:
		case <-changed:
		case <-poll:
		case <-late.C:
			return page, nil
		case <-ctx.Done():
			return Page{}, context.Cause(ctx)
		case <-l.closed:
			return Page{}, errors.New(errors.Closed, "wait for events", nil)
		}
	}
}

// Close ends what waits in Next. It leaves the store open.
func (l *Log) Close() { l.once.Do(func() { close(l.closed) }) }

// Closed is closed by Close.
func (l *Log) Closed() <-chan struct{} { return l.closed }

func (l *Log) pushed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wake
}

func (l *Log) tellPushed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.wake)
	l.wake = make(chan struct{})
}
