package peerlog

import (
	"context"
	"crypto/rand"
	"strconv"
	"sync"

	"syncline/synckit"
	"syncline/synckit/cursor"
	"syncline/synckit/errors"
)

// The log's random id is kept where its cursors are, so that it is replaced with
// the log.
const idPeer = "synckit.log"

// chunk is how many entries are read at once, so that a page of large events is
// cut before all of them are in memory.
const chunk = 32

type logPages struct {
	log synckit.Log
	mu  sync.Mutex
	id  string
}

func (p *logPages) changed() <-chan struct{} { return p.log.Changed() }

func (p *logPages) page(ctx context.Context, q Query) (Page, error) {
	id, err := p.logID(ctx)
	if err != nil {
		return Page{}, err
	}
	r := reader{log: p.log, limit: q.Limit, at: place{log: id}}
	switch since := q.Since.(type) {
	case nil:
	case cursor.IntegerCursor:
		r.after = synckit.Position(since.Seq)
	case synckit.CausalVersion:
		r.since = since
	default:
		return loadPage(ctx, p.log, q)
	}
	if q.Cursor != "" {
		if r.at, r.after, err = p.resolve(ctx, id, q.Cursor); err != nil {
			return Page{}, err
		}
	}
	return r.read(ctx)
}

// loadPage reads after a version of which only the store knows what it means.
func loadPage(ctx context.Context, store synckit.EventStore, q Query) (Page, error) {
	events, err := store.Load(ctx, q.Since)
	if err != nil {
		return Page{}, err
	}
	return cut(events, q.Limit), nil
}

// reader collects a page.
type reader struct {
	log   synckit.Log
	limit int
	since synckit.CausalVersion // nil: all pass
	after synckit.Position
	at    place
	page  Page
	size  int
}

func (r *reader) read(ctx context.Context) (Page, error) {
	for {
		want := min(r.limit+1-len(r.page.Items), chunk) // one more tells whether there is more
		entries, err := r.log.Read(ctx, r.after, want)
		if err != nil {
			return Page{}, err
		}
		full, err := r.take(entries)
		if err != nil {
			return Page{}, err
		}
		if full || len(entries) < want {
			r.page.More = full
			if r.at.at != "" || r.after == 0 { // after a position where nothing came yet, there is no place to name
				r.page.Cursor = r.at.String()
			}
			return r.page, nil
		}
	}
}

// take adds entries to the page until it is full.
func (r *reader) take(entries []synckit.Entry) (full bool, err error) {
	for _, e := range entries {
		if !known(e.Version, r.since) {
			encoded, err := synckit.Encode(e.Event)
			if err != nil {
				return false, errors.New(errors.Internal, "read log", err)
			}
			r.size += encodedSize(encoded)
			if len(r.page.Items) == r.limit || r.size > MaxPageBytes && len(r.page.Items) > 0 {
				return true, nil
			}
			r.page.Items = append(r.page.Items, Item{Event: encoded, Version: e.Version})
		}
		r.after, r.at = e.Position, placeOf(r.at.log, e)
	}
	return false, nil
}

// known tells whether who has come to a version knows of another.
func known(v synckit.Version, since synckit.CausalVersion) bool {
	causal, ok := v.(synckit.CausalVersion)
	if since == nil || !ok {
		return false
	}
	order := causal.Order(since)
	return order == synckit.Before || order == synckit.Equal
}

func encodedSize(e synckit.EncodedEvent) int {
	return len(e.ID) + len(e.Type) + len(e.AggregateID) + len(e.Data) + len(e.Metadata)
}

func placeOf(id string, e synckit.Entry) place {
	return place{log: id, at: strconv.FormatUint(uint64(e.Position), 10), fingerprint: fingerprint(e.Event.ID())}
}

// resolve checks that a cursor is of this log.
func (p *logPages) resolve(ctx context.Context, id, since string) (place, synckit.Position, error) {
	c, err := parsePlace(since)
	if err != nil {
		return place{}, 0, err
	}
	if c.log != id {
		return place{}, 0, lost("it is another")
	}
	if c.at == "" {
		return c, 0, nil
	}
	n, err := strconv.ParseUint(c.at, 10, 63)
	if err != nil || n == 0 {
		return place{}, 0, errors.New(errors.InvalidVersion, "read cursor", err)
	}
	after := synckit.Position(n)
	entries, err := p.log.Read(ctx, after-1, 1)
	if err != nil {
		return place{}, 0, err
	}
	switch {
	case len(entries) == 0, entries[0].Position == after && fingerprint(entries[0].Event.ID()) != c.fingerprint:
		return place{}, 0, lost("another event stands there")
	case entries[0].Position > after: // it was dropped, for the log goes on behind it
		return c, after, nil
	}
	return c, after, nil
}

// endOf is the cursor after what a commit appended, if that stands right after another
// cursor; else empty. Who has read up to there has read all that was stored before it, so the
// events have positions above it, and each position is one event's: where there is
// room for no other, there is none.
func (p *logPages) endOf(ctx context.Context, after string, committed synckit.Committed) string {
	id, err := p.logID(ctx)
	if err != nil {
		return ""
	}
	var from synckit.Position
	if after != "" {
		if _, from, err = p.resolve(ctx, id, after); err != nil {
			return ""
		}
	}
	n := len(committed.Appended)
	if committed.Latest != from+synckit.Position(n) {
		return ""
	}
	entries, err := p.log.Read(ctx, committed.Latest-1, 1)
	if err != nil || len(entries) == 0 || entries[0].Position != committed.Latest || entries[0].Event.ID() != committed.Appended[n-1] {
		return ""
	}
	return placeOf(id, entries[0]).String()
}

func (p *logPages) end(ctx context.Context) (string, error) {
	id, err := p.logID(ctx)
	if err != nil {
		return "", err
	}
	committed, err := p.log.Commit(ctx, synckit.Commit{})
	if err != nil {
		return "", err
	}
	if committed.Latest == 0 {
		return place{log: id}.String(), nil
	}
	entries, err := p.log.Read(ctx, committed.Latest-1, 1)
	if err != nil {
		return "", err
	}
	if len(entries) == 0 {
		return "", lost("it was replaced meanwhile")
	}
	return placeOf(id, entries[0]).String(), nil
}

// logID is the log's random id, made when it is first asked for.
func (p *logPages) logID(ctx context.Context) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.id != "" {
		return p.id, nil
	}
	id, err := p.log.Cursor(ctx, idPeer, synckit.Pulling)
	if err == nil && id == "" {
		id, err = p.makeID(ctx)
	}
	p.id = id
	return id, err
}

func (p *logPages) makeID(ctx context.Context) (string, error) {
	made := synckit.Cursor{Peer: idPeer, Direction: synckit.Pulling, Value: rand.Text()}
	if _, err := p.log.Commit(ctx, synckit.Commit{Cursors: []synckit.Cursor{made}}); err != nil {
		return "", err
	}
	return p.log.Cursor(ctx, idPeer, synckit.Pulling) // another process may have been last
}
