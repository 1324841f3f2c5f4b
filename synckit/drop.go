package synckit

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"syncline/synckit/errors"
)

// Dropper is what a Log can be as well, so that what was compacted takes no room any more.
type Dropper interface {
	// Drop takes events of an aggregate out of the log, by ID: nothing reads them again, and their
	// positions are not used again. The log remembers their IDs: an event that is stored again
	// under one of them changes nothing, and whether it is the same is not asked. IDs that are not there, or of another
	// aggregate, change nothing, and the newest entry of the whole log stays. The error has the code
	// Unsupported if the log cannot.
	Drop(ctx context.Context, aggregateID string, ids []string) error
}

// DroppingTransport is a Transport that can delete events from the peer's log. Peers that serve a Dropper
// drop by themselves what was compacted.
type DroppingTransport interface {
	Transport
	// Drop deletes events, by ID. Those that are not there change nothing. The error has the code
	// Unsupported if it cannot.
	Drop(ctx context.Context, ids []string) error
}

// maxDrop is how many events are dropped at once.
const maxDrop = 1000

// DropCovered drops from a log what snapshots stand for, in the aggregates of which one of some events that
// were stored completes a snapshot. Who serves a log calls it after each push. Logs that
// are no Dropper keep all.
func DropCovered(ctx context.Context, log Log, stored []EventWithVersion) error {
	var aggregates []string
	for _, e := range stored {
		aggregates = addCompacted(aggregates, e.Event)
	}
	for _, aggregate := range aggregates {
		if err := dropCovered(ctx, log, aggregate); err != nil {
			return err
		}
	}
	return nil
}

// addCompacted adds an event's aggregate to others, if the event may complete a snapshot.
func addCompacted(aggregates []string, e Event) []string {
	if e == nil || e.Type() == ResolutionType || !isOwnKind(e) || slices.Contains(aggregates, e.AggregateID()) {
		return aggregates
	}
	return append(aggregates, e.AggregateID())
}

func dropCovered(ctx context.Context, log Log, aggregateID string) error {
	dropper, ok := log.(Dropper)
	if !ok {
		return nil
	}
	entries, err := log.Aggregate(ctx, aggregateID)
	if err != nil {
		return err
	}
	covered := readHistory(eventsOf(entries)).snapshots.covered
	var ids []string
	for _, e := range entries {
		if id := e.Event.ID(); covered.has(id) {
			ids = append(ids, id)
		}
	}
	for some := range slices.Chunk(ids, maxDrop) {
		if err := dropper.Drop(ctx, aggregateID, some); err != nil {
			if errors.CodeOf(err) == errors.Unsupported {
				return nil
			}
			return err
		}
	}
	return nil
}

// dropping is the direction of a cursor of the manager's own: aggregates in which something is to be
// dropped, as JSON. It is stored with what completes a snapshot, and forgotten when all is dropped.
const dropping Direction = "drop"

// addDropping adds to a commit that what it completes is to be followed by a drop.
func (m *Manager) addDropping(ctx context.Context, c *Commit) error {
	var fresh []string
	for _, e := range c.Append {
		fresh = addCompacted(fresh, e.Event)
	}
	if len(fresh) == 0 {
		return nil
	}
	due, err := m.toDrop(ctx)
	if err != nil {
		return err
	}
	text, err := json.Marshal(slices.Compact(slices.Sorted(slices.Values(append(due, fresh...)))))
	if err == nil {
		c.Cursors = append(slices.Clip(c.Cursors), m.at(dropping, string(text)))
	}
	return err
}

func (m *Manager) toDrop(ctx context.Context) (aggregates []string, err error) {
	text, err := m.cursor(ctx, dropping)
	if err != nil || text == "" {
		return nil, err
	}
	_ = json.Unmarshal([]byte(text), &aggregates) // what cannot be read is dropped with the next snapshot
	return aggregates, nil
}

// dropPulled drops from the own log what pulled snapshots stand for.
func (m *Manager) dropPulled(ctx context.Context) error {
	aggregates, err := m.toDrop(ctx)
	if err != nil || len(aggregates) == 0 {
		return err
	}
	for _, aggregate := range aggregates {
		err := m.callStore(ctx, "drop", func(ctx context.Context) error { return dropCovered(ctx, m.log, aggregate) })
		if err != nil {
			return err
		}
	}
	m.watched.states = nil
	if now, err := m.toDrop(ctx); err != nil || !slices.Equal(now, aggregates) { // another process has added to it
		return err
	}
	_, err = m.commit(ctx, Commit{Cursors: []Cursor{m.at(dropping, "")}})
	return err
}

// dropAtPeer deletes at the peer what snapshots stand for, unless it is known to be deleted. fresh is what the
// newest stands for and those before do not.
func (m *Manager) dropAtPeer(ctx context.Context, aggregateID string, fresh idSet) error {
	transport, ok := m.transport.(DroppingTransport)
	if !ok {
		return nil
	}
	entries, err := m.aggregate(ctx, aggregateID)
	if err != nil {
		return err
	}
	s := readHistory(eventsOf(entries)).snapshots
	if len(s.counting) == 0 {
		return nil
	}
	direction := Direction("dropped " + digest(aggregateID))
	done, err := m.cursor(ctx, direction)
	newest := s.counting[len(s.counting)-1].Event.ID()
	if err != nil || done == newest {
		return err
	}
	gone := s.covered
	if fresh.has(done) && len(s.counting) == 1 { // what those before stand for was deleted
		gone = fresh
	}
	for some := range slices.Chunk(slices.Sorted(maps.Keys(gone)), maxDrop) {
		err := m.callTransport(ctx, "drop", func(ctx context.Context) error { return transport.Drop(ctx, some) })
		if errors.CodeOf(err) == errors.Unsupported {
			return nil
		}
		if err != nil {
			return err
		}
	}
	_, err = m.commit(ctx, Commit{Cursors: []Cursor{m.at(direction, newest)}})
	return err
}
