package memory

import (
	"context"

	"syncline/synckit"
	"syncline/synckit/storage/internal/stored"
)

// Store implements synckit.EventStore.
func (s *Store) Store(ctx context.Context, event synckit.Event, version synckit.Version) error {
	entry := synckit.Entry{EventWithVersion: synckit.EventWithVersion{Event: event, Version: version}}
	_, err := s.commit(ctx, "store", synckit.Commit{Append: []synckit.Entry{entry}})
	return err
}

// Commit implements synckit.Log.
func (s *Store) Commit(ctx context.Context, commit synckit.Commit) (synckit.Committed, error) {
	return s.commit(ctx, "commit", commit)
}

// commit checks everything before it changes anything.
func (s *Store) commit(ctx context.Context, op string, commit synckit.Commit) (synckit.Committed, error) {
	rows, err := encode(commit.Append)
	if err != nil {
		return synckit.Committed{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx, op); err != nil {
		return synckit.Committed{}, err
	}
	fresh, known, err := s.sort(op, rows)
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

// sort tells rows that are new from those that are there already.
func (s *Store) sort(op string, rows []row) (fresh, known []row, err error) {
	inCommit := map[string]synckit.EncodedEvent{}
	for _, r := range rows {
		there, duplicate := inCommit[r.event.ID]
		if index, ok := s.byID[r.event.ID]; ok {
			there, duplicate = s.rows[index].event, true
		}
		switch {
		case !duplicate:
			inCommit[r.event.ID] = r.event
			fresh = append(fresh, r)
		case stored.Same(there, r.event):
			known = append(known, r)
		default:
			return nil, nil, stored.Reused(op, r.event.ID)
		}
	}
	return fresh, known, nil
}

func (s *Store) append(fresh []row) []string {
	appended := make([]string, len(fresh))
	for i, r := range fresh {
		index := len(s.rows)
		s.rows = append(s.rows, r)
		s.byID[r.event.ID] = index
		s.aggregates[r.event.AggregateID] = append(s.aggregates[r.event.AggregateID], index)
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
