package resolve

import (
	"context"
	"encoding/json"
	"maps"

	"syncline/synckit"
)

// FromLog makes a ThreeWayMerge's Base of what a store holds: the aggregate's
// effective events that both sides build on, one after the other. These are the
// ones that are on neither side and have lower clocks than all that are, and what
// was compacted. Events whose data are no objects are passed over.
func FromLog(store synckit.EventStore) func(ctx context.Context, local, remote []synckit.EventWithVersion) (json.RawMessage, error) {
	return func(ctx context.Context, local, remote []synckit.EventWithVersion) (json.RawMessage, error) {
		all := both(local, remote)
		if len(all) == 0 {
			return nil, nil
		}
		history, err := synckit.LoadEffective(ctx, store, all[0].Event.AggregateID())
		if err != nil {
			return nil, err
		}
		return json.Marshal(state(history, all))
	}
}

// state is the object that the events before a conflict make.
func state(history []synckit.EventWithVersion, conflict []sided) fields {
	lowest := synckit.ClockOf(conflict[0].Event)
	in := map[string]bool{}
	for _, e := range conflict {
		lowest = min(lowest, synckit.ClockOf(e.Event))
		in[e.Event.ID()] = true
	}
	object := fields{}
	for _, e := range history {
		compacted := e.Event.Metadata()[synckit.SnapshotKey] == true
		if in[e.Event.ID()] || synckit.ClockOf(e.Event) >= lowest && !compacted {
			continue
		}
		if patch, err := fieldsOf(e.Event); err == nil {
			object = follow(object, patch)
		}
	}
	return withoutNulls(object)
}

// withoutNulls is the object that a patch makes of nothing.
func withoutNulls(patch fields) fields {
	object := maps.Clone(patch)
	for name, value := range object {
		switch inner, ok := value.(fields); {
		case value == nil:
			delete(object, name)
		case ok:
			object[name] = withoutNulls(inner)
		}
	}
	return object
}
