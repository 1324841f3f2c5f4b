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

// addSkip adds to a push's commit that what was sent need not be pulled. Where a conflict
// of it is staged it is, for what the peer has behind it is in no conflict with it.
func (m *Manager) addSkip(ctx context.Context, b *batch, commit *Commit) error {
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
	if m.watched.ready {
		m.watched.skipped(b.entries, sent)
		commit.Cursors = append(commit.Cursors, m.at(watching, m.watched.mark()))
	}
	return nil
}

// endSkip takes in whether a push's commit succeeded.
func (m *Manager) endSkip(b *batch, err error) {
	switch {
	case b.end == "":
	case err != nil: // what was noted as seen is not
		m.watched.ready, m.watched.states, m.skip.known = false, nil, false
	default:
		if m.watched.pulledTo == m.skip.after {
			m.watched.pulledTo = b.end
		}
		m.skip.after = b.end
	}
}

// skipped notes that the peer holds what was sent of entries, which follow one another in
// the own log, without having been asked for it.
func (w *watched) skipped(entries []Entry, sent idSet) {
	type own struct {
		ids         idSet
		first, last Position
		whole       bool
	}
	found := map[string]*own{}
	for _, e := range entries {
		if e.Origin != "" {
			continue
		}
		o := found[e.Event.AggregateID()]
		if o == nil {
			o = &own{ids: idSet{}, first: e.Position, whole: true}
			found[e.Event.AggregateID()] = o
		}
		o.ids[e.Event.ID()] = struct{}{}
		o.last, o.whole = e.Position, o.whole && sent.has(e.Event.ID())
		if sent.lacks(e.Event.ID()) {
			delete(o.ids, e.Event.ID())
		}
	}
	for aggregate, o := range found {
		waits, there := w.own[aggregate]
		_, read := w.states[aggregate]
		switch {
		case !there:
		case read:
			w.confirm(aggregate, o.ids)
		case !o.whole || waits.first < o.first: // something of it stays pending
		case waits.last <= o.last:
			delete(w.own, aggregate)
		default:
			w.own[aggregate] = span{o.last + 1, waits.last}
		}
	}
}
