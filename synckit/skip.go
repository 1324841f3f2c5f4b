package synckit

import (
	"context"
	"slices"
)

// What is pushed comes back with the next pull, as all that the peer has. Where the events stand
// in the peer's log right after what was pulled, the pull's cursor moves past them at once,
// in the transaction that notes the push, and they count as seen there.

// skip is how far the peer's log is known during a push.
type skip struct {
	known bool
	after string // the peer's cursor up to which all was pulled or is here
}

func (m *Manager) beginSkip(ctx context.Context) (err error) {
	m.skip = skip{}
	if _, can := m.transport.(SkippingTransport); can && !m.options.PushOnly {
		if m.skip.after, err = m.cursor(ctx, Pulling); err == nil {
			err = m.noticeReviews(ctx) // after: what others have staged up to the cursor is seen
		}
		m.skip.known = err == nil
	}
	return err
}

// addSkip adds to a push's commit that what was sent, of entries after a position, need not be
// pulled. Where a conflict of it is staged it is, for what the peer has behind it is in no
// conflict with it.
func (m *Manager) addSkip(ctx context.Context, after Position, b *batch, commit *Commit) error {
	if b.end == "" {
		return nil
	}
	if err := m.learnReviews(ctx); err != nil {
		return err
	}
	if slices.ContainsFunc(b.send, func(e EventWithVersion) bool { return m.reviewed.staged[e.Event.AggregateID()] != nil }) {
		b.end, m.skip.known = "", false
		return nil
	}
	if err := m.recall(ctx); err != nil {
		return err
	}
	if m.options.ConflictResolver != nil {
		if err := m.watch(ctx); err != nil {
			return err
		}
	}
	sent := setOf(idsOf(b.send))
	for _, e := range b.entries {
		if e.Origin == "" && sent.has(e.Event.ID()) {
			commit.Append = append(commit.Append, Entry{EventWithVersion: e.EventWithVersion, Origin: m.options.Peer})
		}
	}
	commit.Cursors = append(commit.Cursors, m.at(Pulling, b.end))
	m.watched.skipped(after, b.entries, sent, m.options.Peer)
	b.held = m.watched.held.String()
	commit.Cursors = append(commit.Cursors, m.at(holding, b.held))
	if m.options.ConflictResolver != nil {
		commit.Cursors = append(commit.Cursors, m.at(watching, m.watched.mark()))
	}
	return nil
}

// endSkip takes in whether a push's commit succeeded.
func (m *Manager) endSkip(b *batch, err error) {
	if err != nil { // what was noted as seen is not
		m.watched.ready, m.watched.states = false, nil
		m.skip.known = m.skip.known && b.end == ""
		return
	}
	if b.held != "" {
		m.watched.stored = b.held
	}
	if b.end == "" {
		return
	}
	if m.watched.pulledTo == m.skip.after {
		m.watched.pulledTo = b.end
	}
	m.skip.after = b.end
}

// skipped notes that the peer holds what was sent of entries, without having been asked for it. They
// follow one another in the own log, after a position.
func (w *watched) skipped(after Position, entries []Entry, sent idSet, peer string) {
	type group struct {
		ids         idSet // what could be in conflict, and was sent
		first, last Position
		whole       bool // nothing else could be
	}
	found := map[string]*group{}
	for _, e := range entries {
		id, aggregate := e.Event.ID(), e.Event.AggregateID()
		if w.waiting != nil && w.canConflict(e, peer) {
			g := found[aggregate]
			if g == nil {
				g = &group{ids: idSet{}, first: e.Position, whole: true}
				found[aggregate] = g
			}
			if g.last = e.Position; sent.has(id) {
				g.ids[id] = struct{}{}
			} else {
				g.whole = false
			}
		}
		w.held.add(after+1, e.Position-1) // nothing stands there
		if after = e.Position; sent.has(id) || e.Origin != peer || w.held.brought(e, peer) {
			w.held.add(e.Position, e.Position)
			delete(w.awaited, id)
		}
	}
	for aggregate, g := range found {
		waits, there := w.waiting[aggregate]
		_, read := w.states[aggregate]
		switch {
		case !there:
		case read:
			w.confirm(aggregate, g.ids)
		case !g.whole || waits.first < g.first: // something of it stays pending
		case waits.last <= g.last:
			delete(w.waiting, aggregate)
		default:
			w.waiting[aggregate] = span{g.last + 1, waits.last}
		}
	}
}
