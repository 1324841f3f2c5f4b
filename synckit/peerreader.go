package synckit

import (
	"context"
	"time"

	"syncline/synckit/errors"
)

// peerReader begins walks of a peer's log.
type peerReader interface {
	// begin starts a walk. Pages are asked for in order, each with the cursor of
	// the one before.
	begin() pageSource
}

type pageSource interface {
	PullPage(ctx context.Context, since string, limit int) (Page, error)
}

func newPeerReader(store EventStore, transport Transport) peerReader {
	if paged, ok := transport.(PagedTransport); ok {
		return pagedReader{paged}
	}
	r := &versionReader{transport: transport}
	for _, candidate := range []any{transport, store} {
		if p, ok := candidate.(versionParser); ok && r.parser == nil {
			r.parser = p
		}
	}
	return r
}

type pagedReader struct{ transport PagedTransport }

func (r pagedReader) begin() pageSource { return r.transport }

// versionParser is what stores and transports can have to read versions again
// that they wrote.
type versionParser interface {
	ParseVersion(ctx context.Context, text string) (Version, error)
}

// versionReader reads from a transport without pages. Its cursors are the texts
// of versions.
type versionReader struct {
	transport Transport
	parser    versionParser // nil: cursors do not outlive the manager

	// The version that the newest cursor stands for. Only the call that has the
	// manager's turn reads or writes it.
	text    string
	version Version
}

func (r *versionReader) begin() pageSource { return &versionPages{versionReader: r} }

// versionOf finds the version that a cursor stands for. A cursor that nobody can
// read is the beginning: events that are here already change nothing.
func (r *versionReader) versionOf(ctx context.Context, since string) Version {
	if since == "" {
		return beginning{}
	}
	if since == r.text {
		return r.version
	}
	if r.parser != nil {
		if version, err := r.parser.ParseVersion(ctx, since); err == nil && version != nil {
			return version
		}
	}
	return beginning{}
}

// versionPages cuts what Pull gives at once into pages. The cursor moves when
// all of it is done.
type versionPages struct {
	*versionReader
	waiting []EventWithVersion
}

// PullPage gives a page. There is more until a Pull brings nothing, or nothing
// beyond the cursor: a transport may bound what a Pull brings, and another may
// ignore the version.
func (p *versionPages) PullPage(ctx context.Context, since string, limit int) (Page, error) {
	if len(p.waiting) == 0 {
		pulled, err := p.transport.Pull(ctx, p.versionOf(ctx, since))
		if err != nil {
			return Page{}, err
		}
		if len(pulled) == 0 || textOf(pulled[len(pulled)-1].Version) == since {
			return Page{Events: pulled, Cursor: since}, nil
		}
		p.waiting = pulled
	}
	n := min(limit, len(p.waiting))
	page := Page{Events: p.waiting[:n:n], Cursor: since, More: true}
	p.waiting = p.waiting[n:]
	if len(p.waiting) == 0 {
		last := page.Events[n-1].Version
		page.Cursor = textOf(last)
		page.More = page.Cursor != ""
		p.text, p.version = page.Cursor, last
	}
	return page, nil
}

// textOf is a version as a cursor; empty if there is none.
func textOf(v Version) string {
	if v == nil || v.IsZero() {
		return ""
	}
	return v.String()
}

// pullPage asks for a page and checks that it leads on.
func (m *Manager) pullPage(ctx context.Context, source pageSource, since string) (Page, error) {
	var page Page
	begun := time.Now()
	err := m.callTransport(ctx, "pull", func(ctx context.Context) (err error) {
		page, err = source.PullPage(ctx, since, m.pulling.now)
		return err
	})
	m.pulling.adapt(err, time.Since(begun), page.More)
	if err == nil && page.More && len(page.Events) == 0 && page.Cursor == since {
		err = errors.New(errors.Internal, "pull", nil, errors.Metadata{"reason": "the peer's pages lead nowhere"})
	}
	return page, err
}
