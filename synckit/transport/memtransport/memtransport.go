// Package memtransport reaches a store in the same process: for tests, and for
// apps that sync two stores of their own.
package memtransport

import (
	"cmp"
	"context"
	"time"

	"syncline/synckit"
	"syncline/synckit/transport/internal/live"
	"syncline/synckit/transport/internal/peerlog"
	"syncline/synckit/transport/internal/wire"
)

// Transport is a synckit.PagedTransport to one store.
type Transport struct {
	peer     string
	log      *peerlog.Log
	lifetime *live.Lifetime
}

var (
	_ synckit.SkippingTransport = (*Transport)(nil)
	_ synckit.NamedTransport    = (*Transport)(nil)
)

// New makes a transport to a store that goes by a name. It does not own the
// store.
func New(peer string, store synckit.EventStore) *Transport {
	return &Transport{peer: peer, log: peerlog.New(store, nil), lifetime: live.NewLifetime()}
}

// Peer implements synckit.NamedTransport.
func (t *Transport) Peer() string { return t.peer }

// Push implements synckit.Transport.
func (t *Transport) Push(ctx context.Context, events []synckit.EventWithVersion) error {
	_, err := t.push(ctx, events, nil)
	return err
}

// PushAfter implements synckit.SkippingTransport.
func (t *Transport) PushAfter(ctx context.Context, cursor string, events []synckit.EventWithVersion) (end string, err error) {
	return t.push(ctx, events, &cursor)
}

func (t *Transport) push(ctx context.Context, events []synckit.EventWithVersion, after *string) (end string, err error) {
	ctx, release, err := t.lifetime.Begin(ctx, "push")
	if err != nil {
		return "", err
	}
	defer release()
	outcome := &synckit.PushError{}
	sound := make([]synckit.EventWithVersion, 0, len(events))
	for _, e := range events {
		if _, err := wire.Encode(e); err != nil {
			wire.Refuse(outcome, e.Event.ID(), err)
			after = nil
			continue
		}
		sound = append(sound, e)
	}
	end, stored := t.log.PushAfter(ctx, sound, after)
	wire.Merge(outcome, stored)
	return end, wire.Result(outcome)
}

// Pull implements synckit.Transport. It reads all there is.
func (t *Transport) Pull(ctx context.Context, since synckit.Version) ([]synckit.EventWithVersion, error) {
	var all []synckit.EventWithVersion
	q := peerlog.Query{Since: since, Limit: maxPage}
	for {
		page, err := t.read(ctx, q)
		all = append(all, page.Events...)
		if err != nil || !page.More || page.Cursor == "" {
			return all, err
		}
		q.Cursor = page.Cursor
	}
}

// maxPage bounds the events of a page.
const maxPage = 1000

// PullPage implements synckit.PagedTransport. A page has up to 1000 events of up
// to 4 MiB together.
func (t *Transport) PullPage(ctx context.Context, since string, limit int) (synckit.Page, error) {
	return t.read(ctx, peerlog.Query{Cursor: since, Limit: min(max(limit, 1), maxPage)})
}

func (t *Transport) read(ctx context.Context, q peerlog.Query) (synckit.Page, error) {
	ctx, release, err := t.lifetime.Begin(ctx, "pull")
	if err != nil {
		return synckit.Page{}, err
	}
	defer release()
	return decode(t.log.Page(ctx, q))
}

// Subscribe implements synckit.Transport. It blocks until ctx ends. handler is
// called once without events when it has begun to listen, then with what comes.
func (t *Transport) Subscribe(ctx context.Context, handler func([]synckit.EventWithVersion) error) error {
	ctx, release, err := t.lifetime.Begin(ctx, "subscribe")
	if err != nil {
		return err
	}
	defer release()
	return live.Follow(ctx, (*source)(t), handler)
}

// Close implements synckit.Transport. It leaves the store open.
func (t *Transport) Close() error {
	t.lifetime.Close()
	return nil
}

// source is a transport as Follow reads it.
type source Transport

// wait is how long the source looks for events before it comes back without.
const wait = time.Minute

func (s *source) End(ctx context.Context) (string, error) { return s.log.End(ctx) }

func (s *source) Next(ctx context.Context, cursor string, limit int) (synckit.Page, error) {
	return decode(s.log.Next(ctx, peerlog.Query{Cursor: cursor, Limit: limit}, wait))
}

func decode(page peerlog.Page, err error) (synckit.Page, error) {
	if err != nil {
		return synckit.Page{}, err
	}
	decoded := synckit.Page{Cursor: page.Cursor, More: page.More}
	for _, item := range page.Items {
		event, err := item.Event.Decode()
		if err = cmp.Or(item.Err, err); err != nil {
			decoded.Unreadable = append(decoded.Unreadable, synckit.Unreadable{Name: item.Event.ID, Err: err})
			continue
		}
		decoded.Events = append(decoded.Events, synckit.EventWithVersion{Event: event, Version: item.Version})
	}
	return decoded, nil
}
