package peerlog

import (
	"context"
	"fmt"
	"sync"

	"syncline/synckit"
	"syncline/synckit/cursor"
	"syncline/synckit/errors"
	"syncline/synckit/transport/internal/wire"
)

// plainPages reads a store by the documented interface alone: by version, and
// each time all that is left. The log goes by the name of its first event.
type plainPages struct {
	store synckit.EventStore
	parse wire.VersionParser
	mu    sync.Mutex
	first string // the fingerprint of the log's first event; empty while there is none
}

// beginning is before the first event of any store.
var beginning = cursor.IntegerCursor{}

// emptyLog stands for the id of a log that has no event yet.
const emptyLog = "-"

func (p *plainPages) changed() <-chan struct{} { return nil }

func (p *plainPages) page(ctx context.Context, q Query) (Page, error) {
	if q.Since != nil {
		return loadPage(ctx, p.store, q)
	}
	after, err := p.resolve(ctx, q.Cursor)
	if err != nil {
		return Page{}, err
	}
	events, err := p.load(ctx, after)
	if err != nil {
		return Page{}, err
	}
	if after == nil && len(events) > 0 {
		p.remember(events[0])
	}
	page := cut(events, q.Limit)
	page.Cursor = p.placeAfter(after, page.Items).String()
	return page, nil
}

// load reads what comes after a version; nil is the beginning. Not every store asks
// whether there is a version before it calls its methods.
func (p *plainPages) load(ctx context.Context, after synckit.Version) ([]synckit.EventWithVersion, error) {
	if after == nil {
		after = beginning
	}
	return p.store.Load(ctx, after)
}

func (p *plainPages) placeAfter(after synckit.Version, items []Item) place {
	c := place{log: emptyLog}
	if first := p.known(); first != "" {
		c.log = first
	}
	if len(items) > 0 {
		after = items[len(items)-1].Version
	}
	if after != nil {
		c.at = after.String()
	}
	return c
}

// resolve gives the version after which to read; nil is the beginning.
func (p *plainPages) resolve(ctx context.Context, since string) (synckit.Version, error) {
	if since == "" {
		return nil, nil
	}
	c, err := parsePlace(since)
	if err == nil && c.fingerprint != "" {
		err = errors.New(errors.InvalidVersion, "read cursor", fmt.Errorf("%.100q is not a cursor", since))
	}
	if err != nil || c.at == "" {
		return nil, err
	}
	after, err := wire.ParseVersion(ctx, p.parse, c.at)
	if err != nil {
		return nil, err
	}
	if err := p.learnFirst(ctx); err != nil {
		return nil, err
	}
	if c.log != p.known() {
		return nil, lost("it began with another event")
	}
	latest, err := p.store.LatestVersion(ctx)
	if err != nil {
		return nil, err
	}
	if isBefore(latest, after) {
		return nil, lost("it is shorter")
	}
	return after, nil
}

func isBefore(a, b synckit.Version) bool {
	if a == nil {
		return true
	}
	if causal, ok := a.(synckit.CausalVersion); ok {
		return causal.Order(b) == synckit.Before
	}
	return a.Compare(b) < 0
}

func (p *plainPages) end(ctx context.Context) (string, error) {
	if err := p.learnFirst(ctx); err != nil {
		return "", err
	}
	if p.known() == "" {
		return place{log: emptyLog}.String(), nil
	}
	latest, err := p.store.LatestVersion(ctx)
	if err != nil {
		return "", err
	}
	return p.placeAfter(latest, nil).String(), nil
}

func (p *plainPages) known() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.first
}

func (p *plainPages) remember(first synckit.EventWithVersion) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.first == "" {
		p.first = fingerprint(first.Event.ID())
	}
}

func (p *plainPages) learnFirst(ctx context.Context) error {
	if p.known() != "" {
		return nil
	}
	events, err := p.load(ctx, nil)
	if err == nil && len(events) > 0 {
		p.remember(events[0])
	}
	return err
}

// cut makes a page of the first of some events. Events of equal version are not
// cut apart: reading on after that version would skip the rest.
func cut(events []synckit.EventWithVersion, limit int) Page {
	var page Page
	size := 0
	for i, e := range events {
		encoded, err := synckit.Encode(e.Event)
		if err != nil { // it does not keep the others from being read
			encoded.ID = e.Event.ID()
		}
		size += encodedSize(encoded)
		full := i >= limit || size > MaxPageBytes && i > 0
		if full && !sameVersion(events[i-1].Version, e.Version) {
			page.More = true
			return page
		}
		page.Items = append(page.Items, Item{Event: encoded, Version: e.Version, Err: err})
	}
	return page
}

func sameVersion(a, b synckit.Version) bool {
	return a != nil && b != nil && a.Compare(b) == 0
}
