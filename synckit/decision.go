package synckit

import (
	"fmt"
	"slices"

	"syncline/synckit/errors"
)

// decision is what somebody answered to a conflict.
type decision struct {
	aggregateID string
	known       []EventWithVersion // all of the aggregate
	inputs      []EventWithVersion // what was to decide
	kept        []EventWithVersion // the answer
}

// decide gives what a decision adds to the log: the events that it made, then
// the resolution. All clocks in them follow from the inputs, so that nodes that
// decide the same write the same. A decision that changes nothing adds nothing.
func (m *Manager) decide(d decision) ([]Entry, error) {
	var clock uint64
	inputs := map[string]EncodedEvent{}
	for _, e := range d.inputs {
		encoded, err := Encode(e.Event)
		if err != nil {
			return nil, err
		}
		inputs[encoded.ID] = encoded
		clock = max(clock, encoded.Clock())
	}
	var added []Entry
	var r Resolution
	for _, e := range d.kept {
		made, err := m.keep(d, &r, inputs, e.Event)
		if err != nil {
			return nil, err
		}
		if made == nil {
			continue
		}
		event, err := made.WithClock(clock + 1).Decode()
		if err != nil {
			return nil, err
		}
		added = append(added, Entry{EventWithVersion: EventWithVersion{Event: event}})
	}
	for _, e := range d.inputs {
		if !slices.Contains(r.Kept, e.Event.ID()) {
			r.Superseded = append(r.Superseded, e.Event.ID())
		}
	}
	if r.changesNothing(d.inputs) {
		return nil, nil
	}
	event, err := r.event(d.aggregateID, clock+2)
	if err != nil {
		return nil, err
	}
	return append(added, Entry{EventWithVersion: EventWithVersion{Event: event}}), nil
}

// keep adds an event of the answer to the resolution. It gives its encoding if
// the answer made it.
func (m *Manager) keep(d decision, r *Resolution, inputs map[string]EncodedEvent, e Event) (*EncodedEvent, error) {
	if e == nil {
		return nil, fmt.Errorf("there is no event in the answer")
	}
	encoded, err := Encode(e)
	if err != nil {
		return nil, err
	}
	if slices.Contains(r.Kept, encoded.ID) {
		return nil, fmt.Errorf("event %.80q is in the answer twice", encoded.ID)
	}
	r.Kept = append(r.Kept, encoded.ID)
	if input, ok := inputs[encoded.ID]; ok {
		if !input.Same(encoded) {
			return nil, fmt.Errorf("event %.80q was changed: a new event needs an id of its own", encoded.ID)
		}
		return nil, nil
	}
	switch {
	case encoded.AggregateID != d.aggregateID:
		return nil, fmt.Errorf("event %.80q is of another aggregate", encoded.ID)
	case reserved(e):
		return nil, fmt.Errorf("event %.80q has a reserved type", encoded.ID)
	}
	if err := m.admissible(e); err != nil {
		return nil, err
	}
	if err := d.checkNew(encoded); err != nil {
		return nil, err
	}
	r.Made = append(r.Made, encoded.ID)
	return &encoded, nil
}

// checkNew refuses an event whose ID another one of the aggregate has.
func (d decision) checkNew(made EncodedEvent) error {
	for _, e := range d.known {
		if e.Event.ID() != made.ID {
			continue
		}
		if known, err := Encode(e.Event); err != nil || !known.Same(made) {
			return errors.New(errors.EventIDReused, "resolve", err, errors.Metadata{"event": made.ID})
		}
	}
	return nil
}

// changesNothing tells whether the inputs count without the resolution just as
// they do with it.
func (r Resolution) changesNothing(inputs []EventWithVersion) bool {
	if len(r.Made) > 0 || len(r.Superseded) > 0 {
		return false
	}
	ordered := make([]clocked, len(inputs))
	for i, e := range inputs {
		ordered[i] = clocked{e, ClockOf(e.Event)}
	}
	slices.SortFunc(ordered, byClock)
	return slices.EqualFunc(ordered, r.Kept, func(c clocked, id string) bool { return c.Event.ID() == id })
}
