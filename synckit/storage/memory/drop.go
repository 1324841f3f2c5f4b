package memory

import (
	"context"
	"slices"

	"syncline/synckit"
)

// Drop implements synckit.Dropper. Of an event that is dropped its ID stays.
func (s *Store) Drop(ctx context.Context, aggregateID string, ids []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx, "drop"); err != nil {
		return err
	}
	for _, id := range ids {
		index, there := s.byID[id]
		if !there || s.rows[index].event.AggregateID != aggregateID || index == len(s.rows)-1 {
			continue
		}
		s.rows[index] = row{event: synckit.EncodedEvent{ID: id, AggregateID: aggregateID}, dropped: true}
	}
	s.aggregates[aggregateID] = slices.DeleteFunc(s.aggregates[aggregateID], func(index int) bool { return s.rows[index].dropped })
	return nil
}
