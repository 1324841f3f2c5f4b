// Package synckittest has mocks for the tests of apps that use synckit. The zero
// value of each works; set a function to have a method do something else.
package synckittest

import (
	"context"
	"slices"
	"sync"

	"syncline/synckit"
	"syncline/synckit/cursor"
	"syncline/synckit/errors"
)

// Call is a call that a mock got.
type Call struct {
	Method string
	// Events are those that were handed in: of Store one, of Resolve the local
	// ones and then the remote ones.
	Events []synckit.EventWithVersion
	// Since is the version that was handed in, as text; empty for nil.
	Since string
}

// calls records them. It is ready to use as it is.
type calls struct {
	mu   sync.Mutex
	made []Call
}

func (c *calls) record(call Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	call.Events = slices.Clone(call.Events)
	c.made = append(c.made, call)
}

// Calls gives the calls so far, oldest first: all, or those of some methods.
func (c *calls) Calls(methods ...string) []Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	var made []Call
	for _, call := range c.made {
		if len(methods) == 0 || slices.Contains(methods, call.Method) {
			made = append(made, call)
		}
	}
	return made
}

func textOf(v synckit.Version) string {
	if v == nil {
		return ""
	}
	return v.String()
}

// MockEventStore is a synckit.EventStore that keeps events in memory. It knows
// only the documented interface, no Log.
type MockEventStore struct {
	StoreFunc           func(ctx context.Context, event synckit.Event, version synckit.Version) error
	LoadFunc            func(ctx context.Context, since synckit.Version) ([]synckit.EventWithVersion, error)
	LoadByAggregateFunc func(ctx context.Context, aggregateID string, since synckit.Version) ([]synckit.EventWithVersion, error)
	LatestVersionFunc   func(ctx context.Context) (synckit.Version, error)
	CloseFunc           func() error

	calls
	events events
}

var _ synckit.EventStore = (*MockEventStore)(nil)

// Events gives what is stored, in order.
func (m *MockEventStore) Events() []synckit.EventWithVersion { return m.events.after(nil) }

// Store implements synckit.EventStore.
func (m *MockEventStore) Store(ctx context.Context, event synckit.Event, version synckit.Version) error {
	m.record(Call{Method: "Store", Events: []synckit.EventWithVersion{{Event: event, Version: version}}})
	if m.StoreFunc != nil {
		return m.StoreFunc(ctx, event, version)
	}
	return m.events.add(event)
}

// Load implements synckit.EventStore.
func (m *MockEventStore) Load(ctx context.Context, since synckit.Version) ([]synckit.EventWithVersion, error) {
	m.record(Call{Method: "Load", Since: textOf(since)})
	if m.LoadFunc != nil {
		return m.LoadFunc(ctx, since)
	}
	return m.events.after(since), nil
}

// LoadByAggregate implements synckit.EventStore.
func (m *MockEventStore) LoadByAggregate(ctx context.Context, aggregateID string, since synckit.Version) ([]synckit.EventWithVersion, error) {
	m.record(Call{Method: "LoadByAggregate", Since: textOf(since)})
	if m.LoadByAggregateFunc != nil {
		return m.LoadByAggregateFunc(ctx, aggregateID, since)
	}
	return slices.DeleteFunc(m.events.after(since), func(e synckit.EventWithVersion) bool {
		return e.Event.AggregateID() != aggregateID
	}), nil
}

// LatestVersion implements synckit.EventStore.
func (m *MockEventStore) LatestVersion(ctx context.Context) (synckit.Version, error) {
	m.record(Call{Method: "LatestVersion"})
	if m.LatestVersionFunc != nil {
		return m.LatestVersionFunc(ctx)
	}
	return cursor.IntegerCursor{Seq: uint64(len(m.events.after(nil)))}, nil
}

// Close implements synckit.EventStore.
func (m *MockEventStore) Close() error {
	m.record(Call{Method: "Close"})
	if m.CloseFunc != nil {
		return m.CloseFunc()
	}
	return nil
}

// events is a log in memory. It is ready to use as it is.
type events struct {
	mu     sync.Mutex
	events []synckit.EventWithVersion
}

func (l *events) add(event synckit.Event) error {
	encoded, err := synckit.Encode(event)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.events {
		if e.Event.ID() != encoded.ID {
			continue
		}
		if had, err := synckit.Encode(e.Event); err != nil || !had.Same(encoded) {
			return errors.New(errors.EventIDReused, "store", err, errors.Metadata{"event": encoded.ID})
		}
		return nil
	}
	version := cursor.IntegerCursor{Seq: uint64(len(l.events) + 1)}
	l.events = append(l.events, synckit.EventWithVersion{Event: event, Version: version})
	return nil
}

// after gives the events after a version, which is a place in this log.
func (l *events) after(since synckit.Version) []synckit.EventWithVersion {
	l.mu.Lock()
	defer l.mu.Unlock()
	var start int
	if place, ok := since.(cursor.IntegerCursor); ok {
		start = min(int(place.Seq), len(l.events))
	}
	return slices.Clone(l.events[start:])
}
