package synckit

import (
	"cmp"
	"context"
	"slices"
)

// Effective gives those of an aggregate's events that count, in the order in
// which they do. It depends only on which events there are, not on the order in
// which they came: nodes that hold the same events agree.
//
// An event does not count if a resolution superseded it. Resolutions never work
// against each other so that nothing is left: each says that what it keeps
// stands for what it supersedes, and one that would close a circle with
// resolutions made later (or, at the same time, with more events or the higher
// ID) is void. So is one whose conflict another decided along with more, and
// events that only a void resolution made do not count. A resolution whose kept
// events, or parts, are not all there yet does nothing.
//
// Events stand in the order of their clocks, so that none comes before one that
// its writer knew of; equal clocks are ordered by ID. Where a resolution keeps
// events that then stand next to each other, its own order counts. An event
// without a clock takes one from its version, if that is a CausalVersion.
//
// What a snapshot stands for (see Compact) is left out before all that, whether it was dropped or
// not, and the snapshot stands before all other events. A resolution that keeps what was
// compacted holds as before.
func Effective(events []EventWithVersion) []EventWithVersion {
	h := readHistory(events)
	effective := h.bases()
	for _, c := range h.arranged(h.judge()) {
		effective = append(effective, c.EventWithVersion)
	}
	return effective
}

// bases are the snapshots that count. Several do only where a peer's log was restored and compacted
// in two ways.
func (h history) bases() []EventWithVersion {
	bases := make([]EventWithVersion, 0, len(h.events)+len(h.snapshots.counting))
	for _, s := range h.snapshots.counting {
		bases = append(bases, s.inner)
	}
	return bases
}

// arranged are the events beside snapshots that count, in order.
func (h history) arranged(accepted []judged) []clocked {
	counting := h.counting(accepted)
	for _, r := range slices.Backward(accepted) {
		r.arrange(counting)
	}
	return counting
}

// LoadEffective is Effective for one aggregate of a store.
func LoadEffective(ctx context.Context, store EventStore, aggregateID string) ([]EventWithVersion, error) {
	events, err := store.LoadByAggregate(ctx, aggregateID, beginning{})
	if err != nil {
		return nil, err
	}
	return Effective(events), nil
}

// history is an aggregate's events, each once.
type history struct {
	events      map[string]clocked
	resolutions []judged     // the one that weighs most first
	unfinished  []Resolution // parts of resolutions of which others are missing
	snapshots   snapshots
	clock       uint64 // the highest
}

type clocked struct {
	EventWithVersion
	clock uint64
}

type judged struct {
	Resolution
	id     string
	clock  uint64
	events []string // those that hold it
}

func readHistory(events []EventWithVersion) history {
	h := history{events: make(map[string]clocked, len(events))}
	seen := map[string]clocked{}
	for _, e := range events {
		c := clocked{e, ClockOf(e.Event)}
		if had, ok := seen[e.Event.ID()]; !ok || had.clock < c.clock {
			seen[e.Event.ID()] = c
		}
		h.clock = max(h.clock, c.clock)
	}
	h.snapshots = readSnapshots(seen)
	groups := map[string]*partial{}
	for id, c := range seen {
		if h.snapshots.covered.has(id) {
			continue
		}
		r, ok := ReadResolution(c.Event)
		switch {
		case ok && r.Group == "":
			h.resolutions = append(h.resolutions, judged{r, id, c.clock, []string{id}})
		case ok:
			g := groups[r.Group]
			if g == nil {
				g = &partial{parts: map[int]Resolution{}, ids: map[int]string{}}
				groups[r.Group] = g
			}
			g.clock, g.events = max(g.clock, c.clock), append(g.events, id)
			if other, taken := g.ids[r.Part]; !taken || id < other {
				g.parts[r.Part], g.ids[r.Part] = r, id
			}
		case !reserved(c.Event):
			h.events[id] = c
		}
	}
	for id, g := range groups {
		if whole, all := joined(g.parts); all {
			h.resolutions = append(h.resolutions, judged{whole, id, g.clock, g.events})
			continue
		}
		for _, part := range g.parts {
			h.unfinished = append(h.unfinished, part)
		}
	}
	h.deriveClocks()
	slices.SortFunc(h.resolutions, func(a, b judged) int {
		return cmp.Or(cmp.Compare(b.clock, a.clock),
			cmp.Compare(len(b.inputs()), len(a.inputs())), cmp.Compare(b.id, a.id))
	})
	return h
}

// partial is a resolution in parts, by their numbers. Of two parts with one number, which
// only a faulty peer makes, the one whose event has the lower ID counts.
type partial struct {
	parts  map[int]Resolution
	ids    map[int]string // of their events
	events []string       // all of these
	clock  uint64
}

// judge gives the resolutions that hold, the one that weighs most first.
func (h history) judge() []judged {
	var accepted []judged
	decided := map[string][]idSet{} // by input: the inputs of resolutions that have it
	above := standing{}
	for _, r := range h.resolutions {
		inputs := r.inputs()
		if !h.hasAll(r.Kept) || covered(inputs, decided[inputs[0]]) || above.reaches(r.Superseded, r.Kept) {
			continue
		}
		set := setOf(inputs)
		for _, id := range inputs {
			decided[id] = append(decided[id], set)
		}
		above.add(r)
		accepted = append(accepted, r)
	}
	return accepted
}

// hasAll tells whether events are there, or were and are compacted.
func (h history) hasAll(ids []string) bool {
	for _, id := range ids {
		if _, ok := h.events[id]; !ok && h.snapshots.covered.lacks(id) {
			return false
		}
	}
	return true
}

func covered(inputs []string, sets []idSet) bool {
	return slices.ContainsFunc(sets, func(set idSet) bool { return !slices.ContainsFunc(inputs, set.lacks) })
}

// standing leads from what was kept to what it stands for: from event to
// resolutions that keep it, and on to the events that these supersede.
type standing map[string][]judged

func (s standing) add(r judged) {
	if len(r.Superseded) == 0 {
		return
	}
	for _, id := range r.Kept {
		s[id] = append(s[id], r)
	}
}

// reaches tells whether one of from stands for one of to.
func (s standing) reaches(from, to []string) bool {
	seen, ends := map[string]bool{}, setOf(to)
	waiting := slices.Clone(from)
	for len(waiting) > 0 {
		id := waiting[len(waiting)-1]
		waiting = waiting[:len(waiting)-1]
		if seen[id] {
			continue
		}
		seen[id] = true
		if ends.has(id) {
			return true
		}
		for _, r := range s[id] {
			if !seen[r.id] {
				seen[r.id] = true
				waiting = append(waiting, r.Superseded...)
			}
		}
	}
	return false
}

// counting gives the events that count, by clock and ID.
func (h history) counting(accepted []judged) []clocked {
	kept, out := map[string]bool{}, map[string]bool{}
	for _, r := range accepted {
		for _, id := range r.Kept {
			kept[id] = true
		}
		for _, id := range r.Superseded {
			out[id] = true
		}
	}
	for _, r := range h.resolutions { // what only a void resolution made
		for _, id := range r.Made {
			out[id] = out[id] || !kept[id]
		}
	}
	for _, part := range h.unfinished {
		for _, id := range part.Made {
			out[id] = out[id] || !kept[id]
		}
	}
	var counting []clocked
	for id, c := range h.events {
		if !out[id] {
			counting = append(counting, c)
		}
	}
	slices.SortFunc(counting, byClock)
	return counting
}

func byClock(a, b clocked) int {
	return cmp.Or(cmp.Compare(a.clock, b.clock), cmp.Compare(a.Event.ID(), b.Event.ID()))
}

// arrange puts neighbours that the resolution keeps into its order.
func (r judged) arrange(events []clocked) {
	if len(r.Kept) < 2 {
		return
	}
	rank := make(map[string]int, len(r.Kept))
	for i, id := range r.Kept {
		rank[id] = i + 1
	}
	for start := 0; start < len(events); {
		end := start
		for end < len(events) && rank[events[end].Event.ID()] > 0 {
			end++
		}
		slices.SortStableFunc(events[start:end], func(a, b clocked) int {
			return cmp.Compare(rank[a.Event.ID()], rank[b.Event.ID()])
		})
		start = end + 1
	}
}

// deriveClocks gives events without a clock one above those of all events that
// their versions come after.
func (h history) deriveClocks() {
	ids := make([]string, 0, len(h.events))
	for id, c := range h.events {
		if _, ok := c.Version.(CausalVersion); ok {
			ids = append(ids, id)
		}
	}
	derived := map[string]bool{}
	var derive func(id string) uint64
	derive = func(id string) uint64 {
		c := h.events[id]
		if c.clock > 0 || derived[id] {
			return c.clock
		}
		derived[id] = true // also against circles, which faulty versions could make
		version, _ := c.Version.(CausalVersion)
		var highest uint64
		for _, other := range ids {
			if version.Order(h.events[other].Version) == After {
				highest = max(highest, derive(other))
			}
		}
		c.clock = highest + 1
		h.events[id] = c
		return c.clock
	}
	slices.Sort(ids)
	for _, id := range ids {
		derive(id)
	}
}
