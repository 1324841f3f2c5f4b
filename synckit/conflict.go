package synckit

import (
	"context"
	stderrors "errors"

	"syncline/synckit/errors"
)

// Which events are in conflict: an event written here that the peer's log was
// not yet seen to hold, and one pulled before it is. Neither writer could know of
// the other's event. The peer's log thereby says who resolves: of two nodes with
// such events, only the one whose event stands later meets the other's before
// its own; the first finds its own confirmed when the other's comes. Events of
// other peers that are still to be pushed to this one count like those written
// here. Where both events have a CausalVersion, these must be concurrent as well.
//
// Resolutions are in no conflict, and events that no longer count are not either.

// settleGroup finds out whether a page's events of one aggregate are in conflict
// with the log's, and settles it.
func (m *Manager) settleGroup(ctx context.Context, in *intake, g *group) error {
	if m.options.ConflictResolver == nil {
		return nil
	}
	if !m.watched.has(g.aggregateID) {
		in.commit.Unchanged[g.aggregateID] = m.watched.scanned
		return nil
	}
	entries, err := m.aggregate(ctx, g.aggregateID)
	if err != nil {
		return err
	}
	in.commit.Unchanged[g.aggregateID] = newest(entries)
	c := m.compare(entries, g.events)
	in.settled[g.aggregateID] = c.lowest()
	local, remote := c.sides()
	if len(local) == 0 || len(remote) == 0 {
		return nil
	}
	return m.resolve(ctx, in, g, c, local, remote)
}

func (m *Manager) resolve(ctx context.Context, in *intake, g *group, c *comparison, local, remote []EventWithVersion) error {
	var answer []EventWithVersion
	err := guard("resolve", errors.ConflictFailed, func() (err error) {
		answer, err = m.options.ConflictResolver.Resolve(ctx, local, remote)
		return err
	})
	if stderrors.Is(err, ErrReview) {
		m.park(in, g, c, local, err)
		return nil
	}
	var decided []Entry
	if err == nil {
		d := decision{aggregateID: g.aggregateID, known: c.all, inputs: append(local, remote...), kept: answer}
		decided, err = m.decide(d)
	}
	if err != nil {
		return errors.New(errors.ConflictFailed, "resolve", err, errors.Metadata{"aggregate": g.aggregateID})
	}
	if err := m.takeable(ctx, decided); err != nil {
		m.park(in, g, c, local, err)
		return nil
	}
	g.decided = decided
	in.resolved++
	return nil
}

func newest(entries []Entry) Position {
	if len(entries) == 0 {
		return 0
	}
	return entries[len(entries)-1].Position
}

// comparison is an aggregate's log beside what a page brings.
type comparison struct {
	all     []EventWithVersion // of both
	fresh   []EventWithVersion // of the page: what the log does not hold, in order
	first   int                // in fresh: the first in conflict
	pending map[string]Entry   // of the log: what the peer was not seen to hold, even by this page
	local   map[string]bool    // IDs in conflict, of either side
	remote  map[string]bool
}

func (m *Manager) compare(entries []Entry, events []EventWithVersion) *comparison {
	c := &comparison{pending: map[string]Entry{}, local: map[string]bool{}, remote: map[string]bool{}}
	known := map[string]bool{}
	for _, e := range entries {
		known[e.Event.ID()] = true
		c.all = append(c.all, e.EventWithVersion)
		if m.pending(e) {
			c.pending[e.Event.ID()] = e
		}
	}
	for _, e := range events {
		if known[e.Event.ID()] {
			delete(c.pending, e.Event.ID())
			continue
		}
		c.meet(e)
		c.fresh, c.all = append(c.fresh, e), append(c.all, e)
	}
	return c
}

// pending tells whether the peer's log was not yet seen to hold an entry.
func (m *Manager) pending(e Entry) bool {
	switch {
	case reserved(e.Event), e.Origin == m.options.Peer:
		return false
	case e.Origin == "":
		return !e.Confirmed
	default:
		return e.Position > m.watched.pushedTo
	}
}

// meet notes what a new event is in conflict with.
func (c *comparison) meet(e EventWithVersion) {
	if reserved(e.Event) {
		return
	}
	for id, p := range c.pending {
		if !concurrent(p.Version, e.Version) {
			continue
		}
		if len(c.remote) == 0 {
			c.first = len(c.fresh)
		}
		c.local[id], c.remote[e.Event.ID()] = true, true
	}
}

// concurrent tells whether versions leave it open that neither writer knew of
// the other.
func concurrent(a, b Version) bool {
	first, ok := a.(CausalVersion)
	second, both := b.(CausalVersion)
	return !ok || !both || first.Order(second) == Concurrent
}

// sides gives the events in conflict that count, in order.
func (c *comparison) sides() (local, remote []EventWithVersion) {
	if len(c.remote) == 0 {
		return nil, nil
	}
	for _, e := range Effective(c.all) {
		switch id := e.Event.ID(); {
		case c.local[id]:
			local = append(local, e)
		case c.remote[id]:
			remote = append(remote, e)
		}
	}
	return local, remote
}

// lowest is where the first entry stands that is still pending; 0: there is none.
func (c *comparison) lowest() Position {
	var lowest Position
	for _, e := range c.pending {
		if e.Origin == "" && (lowest == 0 || e.Position < lowest) {
			lowest = e.Position
		}
	}
	return lowest
}
