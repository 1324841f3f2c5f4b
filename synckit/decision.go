package synckit

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"syncline/synckit/errors"
)

// decision is what somebody answered to a conflict.
type decision struct {
	aggregateID string
	known       []EventWithVersion // all of the aggregate
	inputs      []EventWithVersion // what was to decide
	kept        []EventWithVersion // the answer
	at          time.Time          // when a person answered; zero: a resolver did
	local       []EventWithVersion // those of inputs that this side had
	reason      Reason             // the resolver's
	rollsBack   string             // the decision that this one undoes; empty: none
	after       uint64             // a clock above which what it adds is
}

// decide gives what a decision adds to the log: the events that it made, then
// the resolution. All clocks in them follow from the inputs, and so do the times of
// what a resolver made, so that nodes that decide the same write the same. A decision
// that changes nothing adds nothing.
func (m *Manager) decide(d decision) ([]Entry, error) {
	r, err := d.begin()
	if err != nil {
		return nil, err
	}
	for _, e := range d.kept {
		if err := r.keep(e.Event, m.admissible); err != nil {
			return nil, err
		}
	}
	return r.entries()
}

// commitDecision commits a person's decision, with what else belongs to it.
func (m *Manager) commitDecision(ctx context.Context, op string, d decision, commit Commit) error {
	decided, err := m.decide(d)
	if err != nil {
		return coded(op, errors.ConflictFailed, err)
	}
	return m.commitDecided(ctx, d, decided, commit)
}

// commitDecided commits what a person's decision came to, with what else belongs to it.
func (m *Manager) commitDecided(ctx context.Context, d decision, decided []Entry, commit Commit) error {
	if err := m.takeable(ctx, decided); err != nil {
		return err
	}
	cursors, told := m.note(d, decided)
	commit.Append = append(commit.Append, decided...)
	commit.Cursors = append(commit.Cursors, cursors...)
	if _, err := m.commit(ctx, commit); err != nil {
		return err
	}
	m.reviewed.apply(commit, m.options.Peer)
	m.tell(ctx, told)
	return nil
}

// takeable tells why the peer would not take what a decision adds. Where that is not
// known, which is no reason to keep a person from deciding, it is nil.
func (m *Manager) takeable(ctx context.Context, entries []Entry) error {
	checking, ok := m.transport.(CheckingTransport)
	if !ok {
		return nil
	}
	for _, e := range entries {
		err := m.callTransport(ctx, "check decision", func(ctx context.Context) error {
			return checking.Check(ctx, e.EventWithVersion)
		})
		switch errors.CodeOf(err) {
		case errors.TooLarge, errors.InvalidEvent, errors.Refused:
			return err
		}
		if err != nil {
			return nil //nolint:nilerr // what is not known of this event is not known of the others
		}
	}
	return nil
}

// written is a decision as it is written down.
type written struct {
	decision
	encoded map[string]EncodedEvent // the inputs
	clock   uint64                  // the highest of the inputs, or after
	latest  time.Time               // the latest of the inputs, as far as it is believed
	seen    idSet                   // what is kept
	made    []EncodedEvent
	Resolution
}

func (d decision) begin() (*written, error) {
	r := &written{decision: d, encoded: map[string]EncodedEvent{}, clock: d.after, seen: idSet{}}
	untimed := false
	for _, e := range d.inputs {
		encoded, err := Encode(e.Event)
		if err != nil {
			return nil, err
		}
		r.encoded[encoded.ID] = encoded
		r.clock = max(r.clock, encoded.Clock())
		at := encoded.Time()
		untimed = untimed || at.IsZero()
		if believed := d.at.IsZero() || at.Before(d.at.Add(MaxAhead)); believed && at.After(r.latest) {
			r.latest = at
		}
	}
	if untimed && d.at.IsZero() { // an older release, which decides the same, gives none
		r.latest = time.Time{}
	}
	return r, nil
}

// stamped gives an event that the decision made its clock and time. A person's was
// written now, as if the log had stored it; a resolver's just after its inputs, unless
// it has a time.
func (r *written) stamped(made EncodedEvent) EncodedEvent {
	at := r.at.Truncate(time.Microsecond)
	if least := r.latest.Add(time.Microsecond); !r.latest.IsZero() && at.Before(least) {
		at = least
	}
	if at.IsZero() || r.at.IsZero() && !made.Time().IsZero() {
		return made.WithClock(r.clock + 1)
	}
	return made.Stamped(r.clock+1, at)
}

// keep adds an event of the answer: one of the inputs as it was, or a new one.
func (r *written) keep(e Event, admissible func(Event) error) error {
	if e == nil {
		return fmt.Errorf("there is no event in the answer")
	}
	encoded, err := Encode(e)
	if err != nil {
		return err
	}
	if r.seen.has(encoded.ID) {
		return fmt.Errorf("event %.80q is in the answer twice", encoded.ID)
	}
	r.seen[encoded.ID] = struct{}{}
	r.Kept = append(r.Kept, encoded.ID)
	if input, ok := r.encoded[encoded.ID]; ok {
		if !input.Same(encoded) {
			return fmt.Errorf("event %.80q was changed: a new event needs an id of its own", encoded.ID)
		}
		return nil
	}
	if err := admissible(e); err != nil {
		return err
	}
	if err := r.checkNew(encoded); err != nil {
		return err
	}
	r.Made, r.made = append(r.Made, encoded.ID), append(r.made, encoded)
	return nil
}

// entries are what to write.
func (r *written) entries() ([]Entry, error) {
	for _, e := range r.decision.inputs {
		if r.seen.lacks(e.Event.ID()) {
			r.Superseded = append(r.Superseded, e.Event.ID())
		}
	}
	if r.changesNothing(r.decision.inputs) {
		return nil, nil
	}
	var entries []Entry
	for _, made := range r.made {
		event, err := r.stamped(made).Decode()
		if err != nil {
			return nil, err
		}
		entries = append(entries, Entry{EventWithVersion: EventWithVersion{Event: event}})
	}
	if len(r.Resolution.inputs()) == 0 {
		return entries, nil // nothing was to decide: there are new events alone
	}
	events, err := r.events(r.aggregateID, r.clock+2)
	if err != nil {
		return nil, err
	}
	for _, event := range events {
		if _, ok := ReadResolution(event); !ok {
			return nil, fmt.Errorf("the resolution %.80q makes no sense", event.ID())
		}
		entries = append(entries, Entry{EventWithVersion: EventWithVersion{Event: event}})
	}
	return entries, nil
}

// checkNew refuses an event that does not belong here, or whose ID another one of
// the aggregate has.
func (d decision) checkNew(made EncodedEvent) error {
	switch {
	case made.AggregateID != d.aggregateID:
		return fmt.Errorf("event %.80q is of another aggregate", made.ID)
	case strings.HasPrefix(made.Type, reservedPrefix):
		return fmt.Errorf("event %.80q has a reserved type", made.ID)
	}
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
