package convergence

import (
	"bytes"
	"fmt"
	"slices"

	"syncline/synckit"
)

// check compares the nodes when all is done.
func (w *world) check() {
	held, err := all(w.t.Context(), w.hub)
	if err != nil {
		w.problem("read the hub: %v", err)
		return
	}
	reference := w.index("the hub", held)
	states := w.states(held)
	for _, n := range w.nodes {
		events, err := n.log.Load(w.t.Context(), nil)
		if err != nil {
			w.problem("read %s: %v", n.name, err)
			return
		}
		w.compare(n.name, w.index(n.name, events), reference)
		w.checkCauses(n.name, events)
		for aggregate, state := range w.states(events) {
			if state != states[aggregate] {
				w.problem("%s: %s counts as %s, at the hub as %s", aggregate, n.name, state, states[aggregate])
			}
		}
	}
	w.checkNothingLost(reference)
	w.checkStates(held)
}

// index finds events by ID. None may be there twice.
func (w *world) index(where string, events []synckit.EventWithVersion) map[string]synckit.EncodedEvent {
	index := map[string]synckit.EncodedEvent{}
	for _, e := range events {
		encoded, err := synckit.Encode(e.Event)
		if err != nil {
			w.problem("%s: %v", where, err)
		}
		if _, twice := index[encoded.ID]; twice {
			w.problem("%s has %s twice", where, encoded.ID)
		}
		index[encoded.ID] = encoded
	}
	return index
}

// compare asks for the same events with the same content, clocks included.
func (w *world) compare(where string, got, want map[string]synckit.EncodedEvent) {
	for id, e := range want {
		switch had, ok := got[id]; {
		case !ok:
			w.problem("%s lacks %s", where, id)
		case !had.Same(e) || !bytes.Equal(had.Metadata, e.Metadata):
			w.problem("%s has %s as %s %s, the hub as %s %s", where, id, had.Data, had.Metadata, e.Data, e.Metadata)
		}
	}
	for id := range got {
		if _, ok := want[id]; !ok {
			w.problem("%s has %s, which the hub lacks", where, id)
		}
	}
}

// checkCauses asks that no event stands before one that its writer knew of.
func (w *world) checkCauses(where string, events []synckit.EventWithVersion) {
	seen := map[string]bool{}
	for _, e := range events {
		seen[e.Event.ID()] = true
		for _, cause := range w.knew[e.Event.ID()] {
			if !seen[cause] {
				w.problem("%s has %s before %s, which its writer knew", where, e.Event.ID(), cause)
			}
		}
	}
}

// checkNothingLost asks for each event that an app was told is stored.
func (w *world) checkNothingLost(held map[string]synckit.EncodedEvent) {
	for id := range w.knew {
		if _, ok := held[id]; !ok {
			w.problem("%s is lost", id)
		}
	}
}

// states are the events that count, by aggregate.
func (w *world) states(events []synckit.EventWithVersion) map[string]string {
	states := map[string]string{}
	for aggregate, group := range byAggregate(events) {
		text := ""
		for _, e := range synckit.Effective(group) {
			text += " " + e.Event.ID()
		}
		states[aggregate] = text
	}
	return states
}

// checkStates asks that something counts of each aggregate, in an order that
// fits causes.
func (w *world) checkStates(held []synckit.EventWithVersion) {
	for aggregate, group := range byAggregate(held) {
		effective := synckit.Effective(group)
		if len(effective) == 0 {
			w.problem("%s: nothing counts of %d events", aggregate, len(group))
		}
		for i, e := range effective {
			for _, later := range effective[i+1:] {
				if slices.Contains(w.knew[e.Event.ID()], later.Event.ID()) {
					w.problem("%s: %s counts before %s, which its writer knew", aggregate, e.Event.ID(), later.Event.ID())
				}
			}
		}
	}
}

func byAggregate(events []synckit.EventWithVersion) map[string][]synckit.EventWithVersion {
	groups := map[string][]synckit.EventWithVersion{}
	for _, e := range events {
		groups[e.Event.AggregateID()] = append(groups[e.Event.AggregateID()], e)
	}
	return groups
}

// report is a trial's problems, the first few.
func report(t trial, problems []string) string {
	text := t.String()
	for i, p := range problems {
		if i == 10 {
			return text + fmt.Sprintf("\nand %d more", len(problems)-i)
		}
		text += "\n" + p
	}
	return text
}
