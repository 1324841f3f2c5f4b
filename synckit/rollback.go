package synckit

import (
	"context"
	stderrors "errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"syncline/synckit/errors"
)

// Replayed is what a resolver says to a conflict that was decided before.
type Replayed struct {
	// Kept is its answer, and Reason why.
	Kept   []EventWithVersion
	Reason Reason
	// Differs tells that other events would count, or in another order.
	Differs bool
	// Err is why it does not decide: ErrReview, or its failure.
	Err error
}

// Replay asks a resolver what it would have decided, and changes nothing. The resolver gets both
// sides as they were; one that looks at the store sees it as it is now. A decision that this
// node did not make is an error of code Unsupported: its sides are not known here.
func (m *Manager) Replay(ctx context.Context, d Decision, resolver ConflictResolver) (Replayed, error) {
	const op = "replay"
	switch {
	case m.bad != nil:
		return Replayed{}, m.bad
	case resolver == nil:
		return Replayed{}, errors.New(errors.InvalidOptions, op, stderrors.New("there is no resolver"))
	case len(d.Local) == 0 || len(d.Remote) == 0:
		return Replayed{}, errors.New(errors.Unsupported, op, stderrors.New("its sides are not known here"), errors.Metadata{"decision": d.ID})
	}
	if looking, ok := resolver.(StoreResolver); ok {
		resolver = looking.ForStore(m.log)
	}
	var r Replayed
	r.Err = guard(op, errors.ConflictFailed, func() (err error) {
		r.Kept, r.Reason, err = ResolveExplained(ctx, resolver, slices.Clone(d.Local), slices.Clone(d.Remote))
		return err
	})
	r.Differs = r.differs(d)
	return r, nil
}

func (r Replayed) differs(d Decision) bool {
	return r.Err != nil || !slices.EqualFunc(r.Kept, d.Kept, sameEvent)
}

func sameEvent(a, b EventWithVersion) bool {
	if a.Event == nil || b.Event == nil {
		return false
	}
	first, err := Encode(a.Event)
	if err != nil {
		return false
	}
	second, err := Encode(b.Event)
	return err == nil && first.Same(second)
}

// RestoresKey is the metadata key of an event that RollBack wrote: the ID of the event whose
// content it has.
const RestoresKey = "synckit.restores"

// RollBack undoes a decision: what it kept no longer counts, and restore does, any of both of
// its sides in this order, such as decision.Local; or decision.Superseded, what lost, for that
// another node's decision has no Local here. Of each that it had superseded a new event is
// written, with another ID and the same type, data and metadata, and RestoresKey; it comes after
// all that is here of the aggregate. So history stays as it is, and all nodes that get the
// events agree: where several undo the same, one of them counts. Events written since are
// not touched and count.
//
// It is a decision itself: it is listed, and can be rolled back. The error has the code
// NotFound if the log has no such decision, Outdated if something that the decision kept
// does not count any more: the later decision about that is to be rolled back first. It is
// InvalidEvent if restore is empty or changes nothing, and TooLarge if more than 1000 events
// would be written, for they are written at once.
func (m *Manager) RollBack(ctx context.Context, of Decision, restore []EventWithVersion) error {
	const op = "roll back"
	if err := m.take(ctx, op); err != nil {
		return err
	}
	defer m.release()
	for attempt := 1; ; attempt++ {
		d, at, err := m.undo(ctx, of, restore)
		if err != nil {
			return coded(op, errors.InvalidEvent, err)
		}
		if err = m.commitUndone(ctx, op, d, at); errors.CodeOf(err) != errors.Outdated || attempt == maxAttempts {
			return err
		}
	}
}

// commitUndone commits a decision that rolls another one back, if the aggregate's newest entry
// is still at a position.
func (m *Manager) commitUndone(ctx context.Context, op string, d decision, at Position) (err error) {
	ctx, end := m.begin(ctx, Step{Name: StepDecide, AggregateID: d.aggregateID, Local: len(d.inputs)})
	defer func() { end(Outcome{Err: err}) }()
	decided, err := m.decide(d)
	where := errors.Metadata{"decision": d.rollsBack}
	switch {
	case err != nil:
		return coded(op, errors.ConflictFailed, err)
	case len(decided) == 0:
		return errors.New(errors.InvalidEvent, op, stderrors.New("it would change nothing"), where)
	case len(decided) > maxCommit:
		return errors.New(errors.TooLarge, op, fmt.Errorf("%d events are to be written, %d are the most", len(decided), maxCommit), where)
	}
	return m.commitDecided(ctx, d, decided, Commit{Unchanged: map[string]Position{d.aggregateID: at}})
}

// undo gives the decision that rolls another one back, and the newest position that it knows of.
func (m *Manager) undo(ctx context.Context, of Decision, restore []EventWithVersion) (decision, Position, error) {
	entries, err := m.aggregate(ctx, of.AggregateID)
	if err != nil {
		return decision{}, 0, err
	}
	d, err := undone(of, entries, restore)
	return d, newest(entries), err
}

// undone gives the decision that rolls back another one of an aggregate's.
func undone(of Decision, entries []Entry, restore []EventWithVersion) (d decision, err error) {
	decisions := decisionsIn(of.AggregateID, entries)
	where := errors.Metadata{"decision": of.ID}
	at := slices.IndexFunc(decisions, func(d Decision) bool { return d.ID == of.ID })
	if at < 0 {
		return decision{}, errors.New(errors.NotFound, "roll back", nil, where)
	}
	found := decisions[at]
	known := eventsOf(entries)
	counting := setOf(idsOf(Effective(known)))
	if !found.Stands || slices.ContainsFunc(idsOf(found.Kept), counting.lacks) {
		return decision{}, errors.New(errors.Outdated, "roll back", stderrors.New("a later decision took its place"), where)
	}
	if len(restore) == 0 {
		return decision{}, stderrors.New("there is nothing to restore")
	}
	inputs := found.Kept
	if len(inputs) == 0 { // it kept nothing: what it superseded is decided again
		inputs = found.Superseded
	}
	d = decision{aggregateID: of.AggregateID, known: known, inputs: inputs, local: inputs, at: time.Now(), rollsBack: found.ID}
	for _, e := range known {
		d.after = max(d.after, ClockOf(e.Event))
	}
	compacted := readHistory(known).snapshots.covered
	superseded := setOf(idsOf(found.Superseded))
	kept := setOf(idsOf(found.Kept))
	for _, e := range restore {
		switch {
		case e.Event == nil:
			return decision{}, stderrors.New("there is no event")
		case kept.has(e.Event.ID()):
		case compacted.has(e.Event.ID()):
			return decision{}, errors.New(errors.NotFound, "roll back", stderrors.New("what it decided about was compacted"), errors.Metadata{"event": e.Event.ID()})
		case superseded.lacks(e.Event.ID()):
			return decision{}, fmt.Errorf("event %.80q is on neither side of the decision", e.Event.ID())
		default:
			if e, err = d.restored(found.Superseded, e.Event.ID()); err != nil {
				return decision{}, err
			}
		}
		d.kept = append(d.kept, e)
	}
	return d, nil
}

// restored is a new event with the content of one that was superseded, as the log has it. Its ID
// follows from its clock as well: nodes that know of other events give it another.
func (d decision) restored(superseded []EventWithVersion, id string) (EventWithVersion, error) {
	at := slices.IndexFunc(superseded, func(e EventWithVersion) bool { return e.Event.ID() == id })
	encoded, err := Encode(superseded[at].Event)
	if err != nil {
		return EventWithVersion{}, err
	}
	encoded.ID = "synckit.restored:" + digest(d.rollsBack, id, strconv.FormatUint(d.after, 10))
	event, err := encoded.WithClock(0).Decode()
	if err != nil {
		return EventWithVersion{}, err
	}
	metadata := maps.Clone(event.Metadata())
	if metadata == nil {
		metadata = map[string]interface{}{}
	}
	metadata[RestoresKey] = id
	return EventWithVersion{Event: NewEvent(event.ID(), event.Type(), event.AggregateID(), event.Data(), metadata)}, nil
}
