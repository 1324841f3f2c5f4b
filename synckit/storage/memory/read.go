package memory

import (
	"context"
	"slices"

	"syncline/synckit"
	"syncline/synckit/cursor"
	"syncline/synckit/storage/internal/stored"
)

// Load implements synckit.EventStore.
func (s *Store) Load(ctx context.Context, since synckit.Version) ([]synckit.EventWithVersion, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx, "load"); err != nil {
		return nil, err
	}
	return s.load(since, s.from(0, len(s.rows)))
}

// LoadByAggregate implements synckit.EventStore.
func (s *Store) LoadByAggregate(ctx context.Context, aggregateID string, since synckit.Version) ([]synckit.EventWithVersion, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx, "load"); err != nil {
		return nil, err
	}
	return s.load(since, s.aggregates[aggregateID])
}

// load reads those of some rows that come after a version.
func (s *Store) load(version synckit.Version, indexes []int) ([]synckit.EventWithVersion, error) {
	since := s.after(version)
	events := make([]synckit.EventWithVersion, 0, len(indexes))
	for _, index := range indexes {
		if synckit.Position(index) < since.Position || s.rows[index].dropped || !since.Passes(s.rows[index].version) {
			continue
		}
		entry, err := s.entry(index)
		if err != nil {
			return nil, err
		}
		events = append(events, entry.EventWithVersion)
	}
	return events, nil
}

// after finds the place of a version that only its place tells about.
func (s *Store) after(version synckit.Version) stored.Since {
	since := stored.After(version)
	if !since.ByPlace() {
		return since
	}
	text := version.String()
	index := slices.IndexFunc(s.rows, func(r row) bool { return r.version != nil && r.version.String() == text })
	if index < 0 {
		return since
	}
	return stored.Since{Position: synckit.Position(index + 1)}
}

// LatestVersion implements synckit.EventStore: a cursor.IntegerCursor.
func (s *Store) LatestVersion(ctx context.Context) (synckit.Version, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx, "latest version"); err != nil {
		return nil, err
	}
	return cursor.IntegerCursor{Seq: uint64(len(s.rows))}, nil
}

// Read implements synckit.Log.
func (s *Store) Read(ctx context.Context, after synckit.Position, limit int) ([]synckit.Entry, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx, "read"); err != nil {
		return nil, err
	}
	var indexes []int
	for index := int(min(after, synckit.Position(len(s.rows)))); index < len(s.rows) && len(indexes) < limit; index++ {
		if !s.rows[index].dropped {
			indexes = append(indexes, index)
		}
	}
	return s.entries(indexes)
}

// Aggregate implements synckit.Log.
func (s *Store) Aggregate(ctx context.Context, aggregateID string) ([]synckit.Entry, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx, "read aggregate"); err != nil {
		return nil, err
	}
	return s.entries(s.aggregates[aggregateID])
}

// Cursor implements synckit.Log.
func (s *Store) Cursor(ctx context.Context, peer string, direction synckit.Direction) (string, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx, "read cursor"); err != nil {
		return "", err
	}
	return s.cursors[cursorKey{peer, direction}], nil
}

func (s *Store) entries(indexes []int) ([]synckit.Entry, error) {
	entries := make([]synckit.Entry, len(indexes))
	for i, index := range indexes {
		var err error
		if entries[i], err = s.entry(index); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

func (s *Store) from(first, count int) []int {
	indexes := make([]int, count)
	for i := range indexes {
		indexes[i] = first + i
	}
	return indexes
}
