package synckit

import "context"

// The manager's calls of its log, with time limits and codes.

func (m *Manager) read(ctx context.Context, after Position, limit int) (entries []Entry, err error) {
	err = m.callStore(ctx, "read log", func(ctx context.Context) error {
		entries, err = m.log.Read(ctx, after, limit)
		return err
	})
	return entries, err
}

func (m *Manager) aggregate(ctx context.Context, id string) (entries []Entry, err error) {
	err = m.callStore(ctx, "read aggregate", func(ctx context.Context) error {
		entries, err = m.log.Aggregate(ctx, id)
		return err
	})
	return entries, err
}

func (m *Manager) cursor(ctx context.Context, direction Direction) (value string, err error) {
	err = m.callStore(ctx, "read cursor", func(ctx context.Context) error {
		value, err = m.log.Cursor(ctx, m.options.Peer, direction)
		return err
	})
	return value, err
}

func (m *Manager) commit(ctx context.Context, c Commit) (committed Committed, err error) {
	if err := m.addDropping(ctx, &c); err != nil {
		return committed, err
	}
	err = m.callStore(ctx, "commit", func(ctx context.Context) error {
		committed, err = m.log.Commit(ctx, c)
		return err
	})
	return committed, err
}

// eachReview goes through the reviews that wait until f says that it has seen
// enough.
func (m *Manager) eachReview(ctx context.Context, f func(Review) (enough bool)) error {
	for after := ""; ; {
		reviews, err := m.reviews(ctx, after, m.options.BatchSize)
		if err != nil {
			return err
		}
		for _, r := range reviews {
			if f(r) {
				return nil
			}
			after = r.ID
		}
		if len(reviews) < m.options.BatchSize {
			return nil
		}
	}
}

func (m *Manager) reviews(ctx context.Context, after string, limit int) (reviews []Review, err error) {
	err = m.callStore(ctx, "list reviews", func(ctx context.Context) error {
		reviews, err = m.log.Reviews(ctx, after, limit)
		return err
	})
	return reviews, err
}

// at is a new value of one of the manager's cursors.
func (m *Manager) at(direction Direction, value string) Cursor {
	return Cursor{Peer: m.options.Peer, Direction: direction, Value: value}
}
