package synckit

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"syncline/synckit/errors"
)

// The log is the trail of decisions: it holds both sides of each conflict and the resolution, on
// all nodes alike. Why this node decided as it did is kept beside the log, in the commit
// that appends the resolution.

// Decision is how a conflict was decided.
type Decision struct {
	ID          string
	AggregateID string
	// Local and Remote are the events between which it decided, in order. Of a decision
	// that another node made it is not known here which side they were on: all are in Remote.
	Local, Remote []EventWithVersion
	// Kept are the events that counted after it, in order, with those that it made.
	// Superseded are those of both sides that did not.
	Kept, Superseded []EventWithVersion
	// Stands tells that it holds now. A decision about the same events that was made later,
	// or about more, takes its place; and one whose events are not all here does nothing yet.
	Stands bool

	// Here says that this node decided; all that follows is then known.
	Here bool
	// Person says that it was no resolver but Decide or RollBack.
	Person bool
	// Reason is the resolver's.
	Reason Reason
	// RollsBack is the ID of the decision that RollBack undid by this one; else empty.
	RollsBack string
	At        time.Time
	Peer      string

	// Position is where the log holds it: Decisions goes on after it. 0 where an observer is told.
	Position Position
}

// DecisionObserver is what an Observer can be as well.
type DecisionObserver interface {
	// Decided is told of a decision of this node once it is committed.
	Decided(ctx context.Context, decision Decision)
}

// trail is where why this node decided is kept, by decisions. No peer has such a name.
const trail = "synckit.decisions"

// noted is what is kept of a decision beside the log.
type noted struct {
	Sides     string    `json:"sides"` // of each input, ordered by ID: l for local, r for remote
	Person    bool      `json:"person,omitempty"`
	RollsBack string    `json:"rolls_back,omitempty"`
	At        time.Time `json:"at"`
	Peer      string    `json:"peer"`
	Reason
}

// note gives what to keep of a decision that came to entries, and what to tell of it. There is
// nothing to keep of one that added nothing.
func (m *Manager) note(d decision, entries []Entry) (cursors []Cursor, told []Decision) {
	if len(entries) == 0 {
		return nil, nil
	}
	id, now := decidedBy(entries[len(entries)-1].Event), time.Now().UTC()
	if id == "" { // new events alone
		return nil, nil
	}
	local, ids := setOf(idsOf(d.local)), idsOf(d.inputs)
	slices.Sort(ids)
	var sides strings.Builder
	for _, input := range ids {
		side := byte('r')
		if local.has(input) {
			side = 'l'
		}
		sides.WriteByte(side)
	}
	kept := noted{
		Sides: sides.String(), Person: !d.at.IsZero(), RollsBack: d.rollsBack, At: now, Peer: m.options.Peer, Reason: d.reason,
	}
	text, err := json.Marshal(kept)
	if err != nil {
		return nil, nil // texts and a time always marshal
	}
	for _, one := range readTrail(d.aggregateID, slices.Concat(d.inputs, eventsOf(entries)), nil) {
		if one.ID == id {
			one.explain(kept)
			told = append(told, one)
		}
	}
	return []Cursor{{Peer: trail, Direction: Direction(id), Value: string(text)}}, told
}

// decidedBy is the ID of the decision of which an event holds the resolution, or a part.
func decidedBy(e Event) string {
	if r, ok := ReadResolution(e); ok {
		return cmp.Or(r.Group, e.ID())
	}
	return ""
}

// explain adds what this node keeps of its own decision.
func (d *Decision) explain(n noted) {
	d.Here, d.Person, d.Reason, d.RollsBack, d.At, d.Peer = true, n.Person, n.Reason, n.RollsBack, n.At, n.Peer
	inputs := slices.Concat(d.Local, d.Remote)
	ids := idsOf(inputs)
	if slices.Sort(ids); len(ids) != len(n.Sides) {
		return
	}
	d.Local, d.Remote = nil, nil
	for _, e := range inputs {
		if at, _ := slices.BinarySearch(ids, e.Event.ID()); n.Sides[at] == 'l' {
			d.Local = append(d.Local, e)
		} else {
			d.Remote = append(d.Remote, e)
		}
	}
}

// readTrail gives the decisions about an aggregate's events, in the order in which the log
// got them. positions are those of events that hold resolutions.
func readTrail(aggregateID string, events []EventWithVersion, positions map[string]Position) []Decision {
	h := readHistory(events)
	stands := map[string]bool{}
	for _, r := range h.judge() {
		stands[r.id] = true
	}
	decisions := make([]Decision, 0, len(h.resolutions))
	for _, r := range h.resolutions {
		d := Decision{
			ID: r.id, AggregateID: aggregateID, Stands: stands[r.id], Position: positions[r.id],
			Kept: h.named(r.Kept), Superseded: h.ordered(r.Superseded), Remote: h.ordered(r.inputs()),
		}
		decisions = append(decisions, d)
	}
	slices.SortStableFunc(decisions, func(a, b Decision) int { return cmp.Compare(a.Position, b.Position) })
	return decisions
}

// named are those of the events that are there, in the order of their IDs in a list.
func (h history) named(ids []string) []EventWithVersion {
	var events []EventWithVersion
	for _, id := range ids {
		if c, there := h.events[id]; there {
			events = append(events, c.EventWithVersion)
		}
	}
	return events
}

// ordered are those of the events that are there, in the order in which events stand.
func (h history) ordered(ids []string) []EventWithVersion {
	var found []clocked
	for _, id := range ids {
		if c, there := h.events[id]; there {
			found = append(found, c)
		}
	}
	slices.SortFunc(found, byClock)
	events := make([]EventWithVersion, len(found))
	for i, c := range found {
		events[i] = c.EventWithVersion
	}
	return events
}

// Decisions lists the decisions that the log holds, also those of other nodes, of one aggregate
// or (empty) of all; from after a position (0: the beginning), up to limit, in the order in
// which they came here. A conflict whose resolver kept all events in their order is
// no decision. To list those of all aggregates it goes through the log.
func (m *Manager) Decisions(ctx context.Context, aggregateID string, after Position, limit int) ([]Decision, error) {
	if m.bad != nil {
		return nil, m.bad
	}
	if aggregateID != "" {
		decisions, err := m.decisionsOf(ctx, aggregateID)
		if err != nil {
			return nil, err
		}
		decisions = slices.DeleteFunc(decisions, func(d Decision) bool { return d.Position <= after })
		return m.explained(ctx, decisions[:min(len(decisions), max(limit, 0))])
	}
	var listed []Decision
	read := map[string][]Decision{}
	for len(listed) < limit {
		entries, err := m.read(ctx, after, m.options.BatchSize)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			after = e.Position
			if e.Event.Type() != ResolutionType || len(listed) == limit {
				continue
			}
			aggregate := e.Event.AggregateID()
			if _, known := read[aggregate]; !known {
				if read[aggregate], err = m.decisionsOf(ctx, aggregate); err != nil {
					return nil, err
				}
			}
			at := slices.IndexFunc(read[aggregate], func(d Decision) bool { return d.Position == e.Position })
			if at >= 0 {
				listed = append(listed, read[aggregate][at])
			}
		}
		if len(entries) < m.options.BatchSize {
			break
		}
	}
	return m.explained(ctx, listed)
}

func (m *Manager) decisionsOf(ctx context.Context, aggregateID string) ([]Decision, error) {
	entries, err := m.aggregate(ctx, aggregateID)
	return decisionsIn(aggregateID, entries), err
}

// decisionsIn reads an aggregate's decisions. Where one is in parts, its position is that of
// the last part: it says nothing before that.
func decisionsIn(aggregateID string, entries []Entry) []Decision {
	positions := map[string]Position{}
	for _, e := range entries {
		if id := decidedBy(e.Event); id != "" {
			positions[id] = e.Position
		}
	}
	return readTrail(aggregateID, eventsOf(entries), positions)
}

func (m *Manager) explained(ctx context.Context, decisions []Decision) ([]Decision, error) {
	for i := range decisions {
		var text string
		err := m.callStore(ctx, "read decision", func(ctx context.Context) (err error) {
			text, err = m.log.Cursor(ctx, trail, Direction(decisions[i].ID))
			return err
		})
		if err != nil {
			return nil, err
		}
		var kept noted
		if text == "" {
			continue
		}
		if err := json.Unmarshal([]byte(text), &kept); err != nil {
			return nil, errors.New(errors.StorageFailed, "read decision", err, errors.Metadata{"decision": decisions[i].ID})
		}
		decisions[i].explain(kept)
	}
	return decisions, nil
}
