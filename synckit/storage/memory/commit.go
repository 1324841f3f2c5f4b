package memory

import (
	"context"

	"syncline/synckit"
	"syncline/synckit/storage/internal/stored"
)

// Store implements synckit.EventStore.
func (s *Store) Store(ctx context.Context, event synckit.Event, version synckit.Version) error {
	_, err := s.commit(ctx, "store", stored.Single(event, version), true)
	return err
}

// Commit implements synckit.Log.
func (s *Store) Commit(ctx context.Context, commit synckit.Commit) (synckit.Committed, error) {
	return s.commit(ctx, "commit", commit, false)
}

// commit checks everything before it changes anything.
func (s *Store) commit(ctx context.Context, op string, commit synckit.Commit, clocksAnew bool) (synckit.Committed, error) {
	rows, err := encode(commit.Append)
	if err != nil {
		return synckit.Committed{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx, op); err != nil {
		return synckit.Committed{}, err
	}
	if err := stored.CheckUnchanged(op, commit.Unchanged, s.newest); err != nil {
		return synckit.Committed{}, err
	}
	fresh, known, err := s.sort(op, rows, clocksAnew)
	if err != nil {
		return synckit.Committed{}, err
	}
	reviews, err := s.reviews.changed(op, commit.EndReviews, commit.AddReviews)
	if err != nil {
		return synckit.Committed{}, err
	}
	s.reviews = reviews
	appended := s.append(fresh)
	s.confirm(known)
	for _, c := range commit.Cursors {
		s.setCursor(c)
	}
	if stored.Wakes(commit, appended) {
		s.changed.Raise()
	}
	return synckit.Committed{Appended: appended, Latest: synckit.Position(len(s.rows))}, nil
}

// newest is the position of an aggregate's newest entry.
func (s *Store) newest(aggregateID string) (synckit.Position, error) {
	indexes := s.aggregates[aggregateID]
	if len(indexes) == 0 {
		return 0, nil
	}
	return synckit.Position(indexes[len(indexes)-1] + 1), nil
}

func encode(entries []synckit.Entry) ([]row, error) {
	rows := make([]row, len(entries))
	for i, e := range entries {
		event, err := synckit.Encode(e.Event)
		if err != nil {
			return nil, err
		}
		rows[i] = row{event: event, version: stored.Own(e.Version), origin: e.Origin, confirmed: e.Origin != ""}
	}
	return rows, nil
}

// sort tells rows that are new from those that are there already, and sets the
// clocks of the new ones.
func (s *Store) sort(op string, rows []row, clocksAnew bool) (fresh, known []row, err error) {
	clocks := stored.Clocks{Times: &s.times, Highest: func(aggregateID string) (uint64, error) { return s.clocks[aggregateID], nil }}
	inCommit := map[string]synckit.EncodedEvent{}
	for _, r := range rows {
		there, duplicate := inCommit[r.event.ID]
		dropped := false
		if index, ok := s.byID[r.event.ID]; ok {
			there, duplicate, dropped = s.rows[index].event, true, s.rows[index].dropped
		}
		switch {
		case dropped:
			continue
		case duplicate && !there.Same(r.event):
			return nil, nil, stored.Reused(op, r.event.ID)
		case duplicate:
			known = append(known, r)
			continue
		}
		if r.event, err = clocks.Set(r.event, r.origin, clocksAnew); err != nil {
			return nil, nil, err
		}
		if err := clocks.Appended(r.event); err != nil {
			return nil, nil, err
		}
		inCommit[r.event.ID] = r.event
		fresh = append(fresh, r)
	}
	return fresh, known, nil
}

func (s *Store) append(fresh []row) []string {
	appended := make([]string, len(fresh))
	for i, r := range fresh {
		index := len(s.rows)
		s.rows = append(s.rows, r)
		s.byID[r.event.ID] = index
		aggregate := r.event.AggregateID
		s.aggregates[aggregate] = append(s.aggregates[aggregate], index)
		s.clocks[aggregate] = max(s.clocks[aggregate], r.event.Clock())
		appended[i] = r.event.ID
	}
	return appended
}

// confirm notes that the peer from which a known event came has it.
func (s *Store) confirm(known []row) {
	for _, r := range known {
		if index, ok := s.byID[r.event.ID]; ok && r.confirmed {
			s.rows[index].confirmed = true
		}
	}
}

func (s *Store) setCursor(c synckit.Cursor) {
	key := cursorKey{c.Peer, c.Direction}
	if c.Value == "" {
		delete(s.cursors, key)
		return
	}
	s.cursors[key] = c.Value
}
