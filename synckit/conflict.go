package synckit

import (
	"context"
	stderrors "errors"
	"slices"

	"syncline/synckit/errors"
)

// Which events are in conflict: an event of the own log that the peer's log was
// not yet seen to hold, and one pulled before it is. Neither writer could know of
// the other's event. The peer's log thereby says who resolves: of two nodes with
// such events, only the one whose event stands later meets the other's before
// its own; the first finds its own confirmed when the other's comes. Events that came
// from other peers count like those written here, and so do those that this one has
// lost. Where both events have a CausalVersion, these must be concurrent as well; but
// where the node was restored or reinstalled, versions that claim to know of its
// events may mean others that it had written before (ForkFinder).
//
// Resolutions are in no conflict, and events that no longer count are not either.

// decideGroup finds out whether a page's events of one aggregate are in conflict
// with the log's. If they are it is decided now, or, where the peer has more to
// tell, when the pull ends: one conflict is one decision, however many pages it is on.
func (m *Manager) decideGroup(ctx context.Context, in *intake, g *group, more bool) error {
	waits := m.reviewed.waits(g.aggregateID)
	if !waits && (m.options.ConflictResolver == nil || !m.watched.has(g.aggregateID)) {
		if m.options.ConflictResolver != nil {
			in.commit.Unchanged[g.aggregateID] = m.watched.scanned.position
		}
		return nil
	}
	s, err := m.state(ctx, g.aggregateID)
	if err != nil {
		return err
	}
	in.commit.Unchanged[g.aggregateID] = s.newest
	c := newComparison(s, in.ambiguous)
	for _, e := range g.events {
		c.take(e, s.known.has(e.Event.ID()))
	}
	in.compared[g.aggregateID] = c
	if waits || more && len(c.remote) > 0 {
		m.stage(in, g, s)
		return nil
	}
	if len(c.remote) == 0 {
		return nil
	}
	entries, err := m.aggregate(ctx, g.aggregateID)
	if err != nil {
		return err
	}
	if newest(entries) != s.newest {
		return errors.New(errors.Outdated, "compare", nil, errors.Metadata{"aggregate": g.aggregateID})
	}
	return m.decideConflict(ctx, in, g, c, append(eventsOf(entries), c.fresh...))
}

// decideConflict has the resolver decide what is in conflict. all is the whole aggregate.
func (m *Manager) decideConflict(ctx context.Context, in *intake, g *group, c *comparison, all []EventWithVersion) error {
	local, remote := c.sides(all)
	if len(local) == 0 || len(remote) == 0 {
		return nil
	}
	ctx, end := m.begin(ctx, Step{Name: StepDecide, AggregateID: g.aggregateID, Local: len(local), Remote: len(remote)})
	resolved, parked := in.resolved, in.parked
	err := m.resolve(ctx, in, g, c, all, local, remote)
	end(Outcome{Conflicts: in.resolved - resolved, Reviews: in.parked - parked, Err: err})
	return err
}

func (m *Manager) resolve(ctx context.Context, in *intake, g *group, c *comparison, all, local, remote []EventWithVersion) error {
	var answer []EventWithVersion
	var reason Reason
	err := guard("resolve", errors.ConflictFailed, func() (err error) {
		answer, reason, err = ResolveExplained(ctx, m.options.ConflictResolver, local, remote)
		return err
	})
	if stderrors.Is(err, ErrReview) {
		m.park(in, g, c, local, err)
		return nil
	}
	var decided []Entry
	d := decision{aggregateID: g.aggregateID, known: all, inputs: slices.Concat(local, remote), kept: answer, local: local, reason: reason}
	if err == nil {
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
	cursors, told := m.note(d, decided)
	in.commit.Cursors = append(in.commit.Cursors, cursors...)
	in.decisions = append(in.decisions, told...)
	in.resolved++
	return nil
}

func newest(entries []Entry) Position {
	if len(entries) == 0 {
		return 0
	}
	return entries[len(entries)-1].Position
}

// comparison is what is pending of an aggregate beside what the peer brings.
type comparison struct {
	pending map[string]Entry   // what the peer was not seen to hold, before this
	gone    idSet              // of pending: what it was seen to hold now
	fresh   []EventWithVersion // what the log does not hold, in order
	first   int                // in fresh: the first in conflict
	local   idSet              // IDs in conflict, of either side
	remote  idSet
	left    int  // of local: what is not gone
	marked  bool // all that was pending is in local
	// ambiguous tells which versions of own events others may count for other events.
	ambiguous func(own Version) bool
	forked    bool // one of own events has the version of another event, or may have
}

func newComparison(s *state, ambiguous func(own Version) bool) *comparison {
	return &comparison{pending: s.pending, ambiguous: ambiguous, gone: idSet{}, local: idSet{}, remote: idSet{}}
}

// take takes in the peer's next event: one that the log holds, which the peer is
// thereby seen to hold, too, or a new one.
func (c *comparison) take(e EventWithVersion, known bool) {
	if id := e.Event.ID(); known {
		if c.local.has(id) && c.gone.lacks(id) {
			c.left--
		}
		c.gone[id] = struct{}{}
		return
	}
	if !reserved(e.Event) {
		c.meet(e)
	}
	c.fresh = append(c.fresh, e)
}

// meet notes what a new event is in conflict with.
func (c *comparison) meet(e EventWithVersion) {
	_, causal := e.Version.(CausalVersion)
	met := c.left > 0
	if causal || !c.marked {
		met = false
		var claimed []string // own events that this one's writer knew of, if versions can be believed
		for id, p := range c.pending {
			if c.gone.has(id) {
				continue
			}
			switch order := orderOf(p.Version, e.Version); {
			case order == Concurrent, order == Equal:
				met = true
				c.oppose(id)
				c.forked = c.forked || order == Equal && p.Origin == "" // its node was restored
			case order == Before && p.Origin == "":
				claimed = append(claimed, id)
			}
		}
		for _, id := range claimed {
			if c.forked || c.ambiguous(c.pending[id].Version) {
				met, c.forked = true, true
				c.oppose(id)
			}
		}
		c.marked = c.marked || !causal
	}
	if !met {
		return
	}
	if len(c.remote) == 0 {
		c.first = len(c.fresh)
	}
	c.remote[e.Event.ID()] = struct{}{}
}

// oppose takes in what is pending as in conflict.
func (c *comparison) oppose(id string) {
	if c.local.lacks(id) {
		c.local[id] = struct{}{}
		c.left++
	}
}

// orderOf is Concurrent where the versions leave it open whether one's writer knew of the
// other.
func orderOf(a, b Version) Ordering {
	first, ok := a.(CausalVersion)
	second, both := b.(CausalVersion)
	if !ok || !both {
		return Concurrent
	}
	return first.Order(second)
}

// sides gives the events in conflict that count, in order. Versions that may mislead a
// resolver, for they were given twice, are left out.
func (c *comparison) sides(all []EventWithVersion) (local, remote []EventWithVersion) {
	for _, e := range Effective(all) {
		switch id := e.Event.ID(); {
		case c.local.has(id):
			if c.forked && c.pending[id].Origin == "" {
				e.Version = nil
			}
			local = append(local, e)
		case c.remote.has(id):
			remote = append(remote, e)
		}
	}
	return local, remote
}
