// Package evolve lets an app change the shape of its events. An event never changes, so
// those of earlier releases stay as they were written, on all nodes; they are lifted to the
// present shape as they are read:
//
//	shapes, err := evolve.New(
//		evolve.Step{From: evolve.Shape{Type: "NoteSet"}, To: evolve.Shape{Type: "NoteSet", Version: 2}, Data: addTags},
//		evolve.Step{From: evolve.Shape{Type: "NoteSet", Version: 2}, To: evolve.Shape{Type: "NoteWritten", Version: 1}},
//	)
//	events, err := manager.Effective(ctx, "notes")
//	known, newer, err := shapes.LiftAll(events)
//	state, err := synckit.Fold(known, state, apply)
//
// What is lifted is for reading only: it has the ID of the event that it was made of and
// other content, so no store takes it. A resolver that is to see the present shape
// alone goes into Resolver.
package evolve

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"strconv"

	"syncline/synckit"
	"syncline/synckit/errors"
)

// VersionKey is the metadata key under which an event has its shape's version.
const VersionKey = "schema_version"

// Shape is how events are made that have a type and a version. Events without a version, or
// with one that is no whole number above 0, have version 0.
type Shape struct {
	Type    string
	Version int
}

// ShapeOf is the shape that an event has.
func ShapeOf(e synckit.Event) Shape {
	shape := Shape{Type: e.Type()}
	switch v := e.Metadata()[VersionKey].(type) {
	case json.Number:
		shape.Version, _ = strconv.Atoi(v.String())
	case float64:
		if v == math.Trunc(v) && v < 1<<31 {
			shape.Version = int(v)
		}
	case int:
		shape.Version = v
	}
	shape.Version = max(shape.Version, 0)
	return shape
}

// Step leads from a shape to a later one.
type Step struct {
	From, To Shape
	// Data makes the data of the later shape; nil: it stays as it is. It must depend on
	// nothing else, so that all nodes read the same.
	Data func(data json.RawMessage) (json.RawMessage, error)
}

// Shapes are an app's steps. It is safe for concurrent use.
type Shapes struct {
	steps  map[Shape]Step
	newest map[string]int // by type: the highest version of a step
}

// New takes steps. Its error has the code InvalidOptions where two lead from one shape, or
// some lead in a circle.
func New(steps ...Step) (*Shapes, error) {
	s := &Shapes{steps: map[Shape]Step{}, newest: map[string]int{}}
	for _, step := range steps {
		if _, there := s.steps[step.From]; there {
			return nil, bad("two steps lead from %v", step.From)
		}
		s.steps[step.From] = step
		for _, shape := range []Shape{step.From, step.To} {
			s.newest[shape.Type] = max(s.newest[shape.Type], shape.Version)
		}
	}
	for _, step := range steps {
		at := step
		for range steps {
			next, more := s.steps[at.To]
			if !more {
				break
			}
			if at = next; at.From == step.From {
				return nil, bad("the steps from %v lead back to it", step.From)
			}
		}
	}
	return s, nil
}

func bad(format string, shape Shape) error {
	return errors.New(errors.InvalidOptions, "make shapes", fmt.Errorf(format, shape))
}

// NewEvent makes an event of the present shape: of the highest version of its type that a
// step names, or without a version if none does.
func (s *Shapes) NewEvent(id, eventType, aggregateID string, data any, metadata map[string]any) synckit.Event {
	if newest := s.newest[eventType]; newest > 0 {
		metadata = withVersion(metadata, newest)
	}
	return synckit.NewEvent(id, eventType, aggregateID, data, metadata)
}

func withVersion(metadata map[string]any, version int) map[string]any {
	changed := maps.Clone(metadata)
	if changed == nil {
		changed = map[string]any{}
	}
	if delete(changed, VersionKey); version > 0 {
		changed[VersionKey] = version
	}
	return changed
}

// Lift gives an event in the last shape to which steps lead from its own; one from whose
// shape none leads as it is. Its error has the code Unsupported for an event whose
// version is higher than any that a step names for its type: a newer release wrote it, and this
// one cannot know what it means. Where a step fails it has the code InvalidEvent.
func (s *Shapes) Lift(e synckit.Event) (synckit.Event, error) {
	shape := ShapeOf(e)
	if newest, known := s.newest[shape.Type]; known && shape.Version > newest {
		return nil, errors.New(errors.Unsupported, "lift event", fmt.Errorf("%v is of a newer release", shape), errors.Metadata{"event": e.ID()})
	}
	step, more := s.steps[shape]
	if !more {
		return e, nil
	}
	var data json.RawMessage
	if err := synckit.DecodeData(e, &data); err != nil {
		return nil, failed(e, shape, err)
	}
	for ; more; step, more = s.steps[shape] {
		if step.Data != nil {
			var err error
			if data, err = step.Data(data); err == nil && !json.Valid(data) {
				err = fmt.Errorf("the step gives %.80q, which is not JSON", data)
			}
			if err != nil {
				return nil, failed(e, shape, err)
			}
		}
		shape = step.To
	}
	return synckit.NewEvent(e.ID(), shape.Type, e.AggregateID(), data, withVersion(e.Metadata(), shape.Version)), nil
}

func failed(e synckit.Event, from Shape, err error) error {
	return errors.New(errors.InvalidEvent, "lift event", fmt.Errorf("from %v: %w", from, err), errors.Metadata{"event": e.ID()})
}

// LiftAll lifts events in their order. Those that only a newer release can read are given
// apart, as they are: they stay in the log, and count once the app is brought up to date. It
// stops at the first step that fails.
func (s *Shapes) LiftAll(events []synckit.EventWithVersion) (known, newer []synckit.EventWithVersion, err error) {
	for _, e := range events {
		lifted, err := s.Lift(e.Event)
		switch {
		case errors.CodeOf(err) == errors.Unsupported:
			newer = append(newer, e)
		case err != nil:
			return nil, nil, err
		default:
			known = append(known, synckit.EventWithVersion{Event: lifted, Version: e.Version})
		}
	}
	return known, newer, nil
}
